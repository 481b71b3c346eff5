"""Hands a message in by smtplib: HOST PORT NAME CAFILE USER PASSWORD FROM TO FILE"""
import smtplib
import ssl
import sys

host, port, name, ca, user, password, sender, to, path = sys.argv[1:]
with open(path, "rb") as f:
    message = f.read()
server = smtplib.SMTP(host, int(port), timeout=30)
server._host = name  # whom the certificate is to name
server.starttls(context=ssl.create_default_context(cafile=ca))
try:
    server.login(user, password)
except smtplib.SMTPAuthenticationError as refused:
    print(refused.smtp_code)
    sys.exit(3)
server.sendmail(sender, [to], message, mail_options=["BODY=8BITMIME"])
server.quit()
