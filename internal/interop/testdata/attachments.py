"""Reads a message and prints its subject, and each attachment's name, type and SHA-256."""
import hashlib
import sys
from email import message_from_bytes
from email.policy import default

message = message_from_bytes(sys.stdin.buffer.read(), policy=default)
print(message["Subject"])
for part in message.iter_attachments():
    content = part.get_payload(decode=True)
    print(part.get_filename(), part.get_content_type(), hashlib.sha256(content).hexdigest())
