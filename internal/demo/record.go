package demo

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"

	"postern/mime"
)

// The people and houses of the demonstration. None of them exists.
const (
	patient = "Mira Sample"
	holder  = "Lakeside Demonstration Hospital"
)

// observations is how many results the record holds: enough for a document of
// a few hundred KiB, as real summaries are.
const observations = 900

// message composes what an EHR would submit: a note in the words that Blue
// Button+ asks for (BB-31), a C-CDA summary, and request.txt (BB-32).
func message(from, to mime.Address, id string, at time.Time) ([]byte, error) {
	h := &mime.Header{}
	err := errors.Join(
		h.Add("From", holder+" <"+from.String()+">"),
		h.Add("To", to.String()),
		h.Add("Subject", "Summary of care"),
		h.Add("Date", at.Format(time.RFC1123Z)),
		h.Add("Message-ID", id))
	if err != nil {
		return nil, err
	}
	request := fmt.Sprintf("Destination: %s\r\nPatient: %s\r\nData-holder: %s\r\nRecurring: No\r\n", to, patient, holder)
	m := mime.Message{
		Header: h,
		Text:   fmt.Sprintf("This message was sent by %s at the request of %s.\n", holder, patient),
		Attachments: []mime.Attachment{
			{Type: "application/xml", Name: "summary.xml", Content: strings.NewReader(ccda(at))},
			{Type: "text/plain; charset=utf-8", Name: "request.txt", Content: strings.NewReader(request)},
		},
	}
	var b bytes.Buffer
	err = m.Compose(&b, nil)
	if err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// ccda is a Continuity of Care Document with made-up results.
func ccda(at time.Time) string {
	var b strings.Builder
	day := at.Format("20060102")
	fmt.Fprintf(&b, `<?xml version="1.0" encoding="UTF-8"?>
<ClinicalDocument xmlns="urn:hl7-org:v3" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
  <realmCode code="US"/>
  <typeId root="2.16.840.1.113883.1.3" extension="POCD_HD000040"/>
  <templateId root="2.16.840.1.113883.10.20.22.1.1"/>
  <templateId root="2.16.840.1.113883.10.20.22.1.2"/>
  <id root="2.16.840.1.113883.19.5" extension="demonstration"/>
  <code code="34133-9" codeSystem="2.16.840.1.113883.6.1" displayName="Summarization of Episode Note"/>
  <title>Summary of care (demonstration)</title>
  <effectiveTime value="%s"/>
  <confidentialityCode code="N" codeSystem="2.16.840.1.113883.5.25"/>
  <languageCode code="en-US"/>
  <recordTarget><patientRole>
    <id root="2.16.840.1.113883.19.5.1" extension="0000"/>
    <patient><name><given>Mira</given><family>Sample</family></name>
      <administrativeGenderCode code="F" codeSystem="2.16.840.1.113883.5.1"/><birthTime value="19700101"/></patient>
  </patientRole></recordTarget>
  <custodian><assignedCustodian><representedCustodianOrganization>
    <id root="2.16.840.1.113883.19.5.2"/><name>%s</name>
  </representedCustodianOrganization></assignedCustodian></custodian>
  <component><structuredBody><component><section>
    <templateId root="2.16.840.1.113883.10.20.22.2.3.1"/>
    <code code="30954-2" codeSystem="2.16.840.1.113883.6.1" displayName="Relevant diagnostic tests and laboratory data"/>
    <title>Results</title>
`, day, holder)
	for i := range observations {
		fmt.Fprintf(&b, `    <entry typeCode="DRIV"><observation classCode="OBS" moodCode="EVN">
      <templateId root="2.16.840.1.113883.10.20.22.4.2"/>
      <code code="2345-7" codeSystem="2.16.840.1.113883.6.1" displayName="Glucose"/>
      <statusCode code="completed"/><effectiveTime value="%s"/>
      <value xsi:type="PQ" value="%d.%d" unit="mg/dL"/>
    </observation></entry>
`, at.AddDate(0, 0, -i).Format("20060102"), 80+i%40, i%10)
	}
	b.WriteString("  </section></component></structuredBody></component>\n</ClinicalDocument>\n")
	return b.String()
}
