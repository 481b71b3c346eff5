package demo

import (
	"bytes"
	"fmt"
	"io"
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

// boundary separates the parts; it occurs in none of them.
const boundary = "=_record-of-the-demonstration"

// message composes what an EHR would submit: a note in the words that Blue
// Button+ asks for (BB-31), a C-CDA summary, and request.txt (BB-32).
func message(from, to mime.Address, id string, at time.Time) ([]byte, error) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "From: %s <%s>\r\nTo: <%s>\r\n", holder, from, to)
	fmt.Fprintf(&b, "Subject: Summary of care\r\nDate: %s\r\nMessage-ID: %s\r\n", at.Format(time.RFC1123Z), id)
	fmt.Fprintf(&b, "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"%s\"\r\n\r\n", boundary)
	fmt.Fprintf(&b, "--%s\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n", boundary)
	fmt.Fprintf(&b, "This message was sent by %s at the request of %s.\r\n\r\n", holder, patient)
	err := attach(&b, "application/xml", "summary.xml", ccda(at))
	if err != nil {
		return nil, err
	}
	request := fmt.Sprintf("Destination: %s\r\nPatient: %s\r\nData-holder: %s\r\nRecurring: No\r\n", to, patient, holder)
	err = attach(&b, "text/plain; charset=utf-8", "request.txt", request)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(&b, "--%s--\r\n", boundary)
	return b.Bytes(), nil
}

func attach(b *bytes.Buffer, mediaType, name, content string) error {
	fmt.Fprintf(b, "--%s\r\nContent-Type: %s; name=\"%s\"\r\n", boundary, mediaType, name)
	fmt.Fprintf(b, "Content-Disposition: attachment; filename=\"%s\"\r\nContent-Transfer-Encoding: base64\r\n\r\n", name)
	w := mime.NewBase64Writer(b)
	_, err := io.WriteString(w, content)
	if err != nil {
		return fmt.Errorf("attaching %s: %w", name, err)
	}
	return w.Close()
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
