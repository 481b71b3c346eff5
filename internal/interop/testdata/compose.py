"""Writes a message with attachments as an EHR would: FROM TO SUBJECT [TYPE:CTE:FILE]..."""
import os
import sys
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import make_msgid

sender, to, subject = sys.argv[1:4]
message = EmailMessage()
message["From"], message["To"], message["Subject"] = sender, to, subject
message["Message-ID"] = make_msgid(domain="ehr.example")
message.set_content("Please find the record attached.\n")
for spec in sys.argv[4:]:
    kind, cte, path = spec.split(":", 2)
    with open(path, "rb") as f:
        content = f.read()
    main, sub = kind.split("/")
    name = os.path.basename(path)
    if cte == "base64":
        message.add_attachment(content, maintype=main, subtype=sub, filename=name)
    else:
        message.add_attachment(content.decode("utf-8"), subtype=sub, cte=cte, filename=name)
sys.stdout.buffer.write(message.as_bytes(policy=SMTP))
