"""Sends by smtplib with parameters, and prints the reply to each recipient:
HOST PORT NAME CAFILE USER PASSWORD MAIL-PARAMETERS RCPT-PARAMETERS FILE TO..."""
import smtplib
import ssl
import sys

host, port, name, ca, user, password, mail, rcpt, path = sys.argv[1:10]
with open(path, "rb") as f:
    message = f.read()
server = smtplib.SMTP(host, int(port), timeout=30)
server._host = name
server.starttls(context=ssl.create_default_context(cafile=ca))
server.login(user, password)
server.ehlo()
code, text = server.mail(user, mail.split())
print("MAIL", code, text.decode())
taken = False
for to in sys.argv[10:]:
    if "\N{LATIN SMALL LETTER O WITH DIAERESIS}" in to:
        server.command_encoding = "utf-8"
    code, text = server.rcpt(to, rcpt.split())
    taken = taken or code == 250
    print(to, code, text.decode())
if taken:
    code, text = server.data(message)
    print("DATA", code)
server.quit()
