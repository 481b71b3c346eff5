// Runs within Thunderbird: makes an account, fetches its INBOX, marks, files and deletes.
let [port, pem, user, password, done] = arguments;

async function run() {
  const { MailServices } = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");
  const until = async (what, f) => {
    for (let began = Date.now(); Date.now() - began < 60000; ) {
      const v = f();
      if (v) return v;
      await new Promise(next => setTimeout(next, 20));
    }
    throw new Error("too long: " + what);
  };

  // The certificate is good for the host's name, and it is reached by its address.
  const base64 = pem.split("-----BEGIN CERTIFICATE-----")[1].split("-----END")[0].replace(/\s/g, "");
  const cert = Cc["@mozilla.org/security/x509certdb;1"].getService(Ci.nsIX509CertDB).constructX509FromBase64(base64);
  Cc["@mozilla.org/security/certoverride;1"].getService(Ci.nsICertOverrideService)
    .rememberValidityOverride("127.0.0.1", port, {}, cert, true);

  const server = MailServices.accounts.createIncomingServer(user, "127.0.0.1", "imap");
  server.port = port;
  server.socketType = Ci.nsMsgSocketType.SSL;
  server.authMethod = Ci.nsMsgAuthMethod.passwordCleartext;
  server.password = password;
  server.valid = true;
  const account = MailServices.accounts.createAccount();
  const identity = MailServices.accounts.createIdentity();
  identity.email = user;
  account.addIdentity(identity);
  account.incomingServer = server;

  const root = server.rootFolder;
  server.performExpand(null);
  const inbox = await until("INBOX", () => root.getFolderWithFlags(Ci.nsMsgFolderFlags.Inbox));
  const listened = start => new Promise((ok, no) => start({
    QueryInterface: ChromeUtils.generateQI(["nsIUrlListener"]),
    OnStartRunningUrl() {},
    OnStopRunningUrl(_, status) { status === 0 ? ok() : no(new Error("status " + status)); },
  }));
  const copied = start => new Promise((ok, no) => start({
    QueryInterface: ChromeUtils.generateQI(["nsIMsgCopyServiceListener"]),
    onStartCopy() {}, onProgress() {}, setMessageKey() {}, getMessageId() { return null; },
    onStopCopy(status) { status === 0 ? ok() : no(new Error("copy: status " + status)); },
  }));
  const folder = inbox.QueryInterface(Ci.nsIMsgImapMailFolder);
  await listened(l => folder.updateFolderWithListener(null, l));
  const all = () => [...inbox.messages];
  const of = subject => all().find(m => m.mime2DecodedSubject === subject);
  const listed = all().map(m => m.mime2DecodedSubject).sort();

  // All bodies, as for reading without a network.
  await listened(l => inbox.downloadAllForOffline(l, null));
  const whole = all().filter(m => m.flags & Ci.nsMsgMessageFlags.Offline).length;

  inbox.markMessagesRead([of("to be read")], true);
  root.createSubfolder("Filed", null);
  const filed = await until("a folder", () => root.containsChildNamed("Filed") && root.getChildNamed("Filed"));
  await copied(l => MailServices.copy.copyMessages(inbox, [of("to be filed")], filed, true, l, null, false));
  await copied(l => inbox.deleteMessages([of("to be deleted")], null, true, false, l, false));
  await listened(l => inbox.compact(l, null));
  return { listed, whole };
}

run().then(value => done({ value }), e => done({ error: e + "\n" + e.stack }));
