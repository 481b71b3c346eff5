"""Who sends to whom: the envelope of SMTP, the fields inside, the signer."""

from kit import by_profile, vector
from message import OUTER, crlf, inner, sealed, signed


def envelope():
    by_profile("route-mail-from", "enc-aes256-cbc", "MAIL FROM is not the sender", ["S10-19", "AS-55"], "ok", "tampered-routing",
               mail_from="mallory@a.example")
    by_profile("route-rcpt", "enc-aes256-cbc", "RCPT TO is not in To or Cc", ["S10-20", "AS-56"], "ok", "tampered-routing", rcpt_to=["carol@b.example"])
    by_profile("route-rcpt-one-of-two", "enc-aes256-cbc", "one of two RCPT TO is not in To or Cc", ["S10-20", "AS-56"], "ok", "tampered-routing",
               rcpt_to=["bob@b.example", "carol@b.example"], recipients=["bob@b.example", "carol@b.example"])
    vector("route-null-reverse-path", "enc-aes256-cbc", "the null reverse-path", ["AS-55"], mail_from="")
    vector("route-no-envelope", "enc-aes256-cbc", "no envelope to compare with", ["AS-55", "AS-56"], envelope=False)
    vector("route-case", "enc-aes256-cbc", "the envelope in another case", ["AS-4", "AS-5"], mail_from="ALICE@a.EXAMPLE", rcpt_to=["BOB@B.example"])
    vector("route-unknown-mailbox", named("nobody@b.example"), "to a mailbox that is not there", ["S10-21"],
           rcpt_to=["nobody@b.example"], inner=inner(to="nobody@b.example"))
    vector("route-other-domain", "enc-aes256-cbc", "a recipient of another domain whose keys we hold as well", ["AS-56", "AS-62"],
           rcpt_to=["bob@b.example", "carol@c.example"], recipients=["bob@b.example"], profile="1.2")


def named(to):
    return sealed(signed(inner(to=to)))


def recipients():
    def to(id, message, shows, rows, **how):
        vector(f"to-{id}", sealed(signed(message)), shows, rows, inner=message, **how)

    to("cc", inner(to="carol@c.example", fields=["Cc: Bob <bob@b.example>"]), "the recipient in Cc", ["AS-56"])
    to("list", inner(to='"Carol, MD" <carol@c.example>,\n Bob (at the clinic) <bob@b.example>'), "names, comments and folds in To", ["AS-6", "AS-56"])
    to("group", inner(to="clinic: carol@c.example, bob@b.example;"), "a group in To", ["AS-56"])
    to("twice", inner(fields=["To: carol@c.example"]), "To stands twice", ["AS-56"])
    bcc = inner(to="carol@c.example", fields=["Bcc: bob@b.example"])
    by_profile("to-bcc", sealed(signed(bcc)), "the recipient in Bcc alone", ["AS-56"], "ok", "tampered-routing", inner=bcc)
    none = inner(to=None)
    by_profile("to-none", sealed(signed(none)), "neither To nor Cc", ["AS-53", "AS-56"], "ok", "tampered-routing", inner=none)
    shown = inner(to='"bob@b.example" <carol@c.example>')
    by_profile("to-display-name", sealed(signed(shown)), "the recipient as a display name alone", ["AS-6", "AS-56"], "ok", "tampered-routing", inner=shown)


def senders():
    def frm(id, message, shows, rows, **how):
        vector(f"from-{id}", sealed(signed(message)), shows, rows, inner=message, **how)

    stranger = dict(reason="sender-mismatch")
    frm("two-with-sender", inner(frm="alice@a.example, nurse@a.example", fields=["Sender: alice@a.example"]), "two authors and a Sender", ["AS-65"])
    frm("two", inner(frm="alice@a.example, nurse@a.example"), "two authors and no Sender", ["AS-65"], **stranger)
    frm("two-fields", inner(fields=["From: mallory@other.example"]), "two From fields", ["AS-63", "AS-65"], **stranger)
    frm("two-fields-alike", inner(fields=["From: alice@a.example"]), "the same From twice", ["AS-65"], **stranger)
    frm("none", inner(frm=None), "no From", ["AS-53", "AS-65"], **stranger)
    frm("sender", inner(fields=["Sender: secretary@a.example"]), "a Sender of the same domain", ["AS-58", "AS-65"], mail_from="secretary@a.example")
    frm("sender-stranger", inner(fields=["Sender: mallory@other.example"]), "a Sender of another domain", ["AS-65"], **stranger)
    frm("stranger-with-sender", inner(frm="chief@hospital.example", fields=["Sender: alice@a.example"]), "an author of another domain behind a Sender",
        ["AS-65"], **stranger)
    frm("two-senders", inner(fields=["Sender: alice@a.example", "Sender: nurse@a.example"]), "two Sender fields", ["AS-65"], **stranger)
    frm("resent", inner(fields=["Resent-From: mallory@other.example"]), "resent by a stranger", ["AS-65"], **stranger)
    frm("reply-to", inner(fields=["Reply-To: desk@other.example"]), "answers go to another domain", ["AS-65"])
    frm("display-name", inner(frm='"chief@hospital.example" <alice@a.example>'), "another's address as display name", ["AS-6", "AS-65"])
    frm("display-name-stranger", inner(frm='"alice@a.example" <mallory@other.example>'), "the signer's address as display name", ["AS-6", "AS-63"],
        mail_from="mallory@other.example", **stranger)
    frm("quoted-local", inner(frm='"alice@a.example"@other.example'), "the signer's address as a local part", ["AS-63"], mail_from="mallory@other.example",
        **stranger)
    frm("encoded-name", inner(frm="=?utf-8?q?Dr=2E_Gr=C3=B6=C3=9Fe?= <alice@a.example>"), "an encoded display name", ["AS-6", "AS-51"])
    frm("trailing-dot", inner(frm="alice@a.example."), "a domain that ends in a dot", ["AS-2", "AS-65"], **stranger)
    frm("literal", inner(frm="alice@[a.example]"), "the domain in brackets", ["AS-2", "AS-65"], **stranger)
    frm("comment", inner(frm="alice@a.example (chief@hospital.example)"), "another's address as a comment", ["AS-6", "AS-65"])
    frm("null", inner(frm="<>"), "the null address", ["AS-65"], **stranger)
    frm("below-blank-line", crlf("\n") + inner(), "a blank line before the fields: there is no header", ["AS-53", "AS-65"], **stranger)
    frm("two-domains", inner(frm="alice@a.example@other.example"), "two domains", ["AS-1", "AS-65"], **stranger)
    lying = [f.replace("alice@a.example", "chief@hospital.example").replace("bob@", "carol@") for f in OUTER]
    vector("from-outer-differs", sealed(fields=[*lying, "Subject: outer"]), "an outer header that says something else", ["AS-52", "AS-54"])
    vector("from-outer-none", sealed(fields=["MIME-Version: 1.0"]), "an outer header that says nothing", ["AS-52", "AS-54"])
    vector("from-outer-twice", sealed(fields=[*OUTER, "From: mallory@other.example", "To: carol@c.example"]), "an outer From and To twice", ["AS-54"])
    bare = crlf("Content-Type: text/plain\n\nunwrapped\n")
    vector("from-unwrapped-stranger", sealed(signed(content=bare), fields=[f.replace("alice@a", "mallory@other") for f in OUTER]),
           "unwrapped, and the unsigned From is another's", ["AS-43", "AS-63"], profile="1.2", reason="sender-mismatch", mail_from="mallory@other.example")
    vector("from-unwrapped-two", sealed(signed(content=bare), fields=[*OUTER, "From: mallory@other.example"]), "unwrapped, and From stands twice outside",
           ["AS-43", "AS-65"], profile="1.2", reason="sender-mismatch")


def notifications():
    mdn = inner(fields=['Content-Type: multipart/report; report-type=disposition-notification; boundary="r"'], body=(
        "--r\nContent-Type: text/plain\n\nprocessed\n--r\nContent-Type: message/disposition-notification\n\n"
        "Final-Recipient: rfc822;alice@a.example\nOriginal-Message-ID: <1@b.example>\n"
        "Disposition: automatic-action/MDN-sent-automatically; processed\n\n--r--\n"))
    vector("notice-mdn", sealed(signed(mdn)), "an MDN", ["S10-22", "AS-86", "AS-87"], inner=mdn)
    vector("notice-mdn-null", "notice-mdn", "an MDN under the null reverse-path", ["S10-22", "AS-55", "AS-86"], inner=mdn, mail_from="")
    dsn = inner(fields=['Content-Type: multipart/report; report-type=delivery-status; boundary="r"'], body=(
        "--r\nContent-Type: text/plain\n\nfailed\n--r\nContent-Type: message/delivery-status\n\nReporting-MTA: dns;a.example\n"
        "X-Original-Message-ID: <1@b.example>\n\nFinal-Recipient: rfc822;alice@a.example\nAction: failed\nStatus: 5.1.1\n\n--r--\n"))
    vector("notice-dsn", sealed(signed(dsn)), "a DSN", ["S10-22", "AS-86"], inner=dsn, mail_from="")


def make():
    envelope()
    recipients()
    senders()
    notifications()
