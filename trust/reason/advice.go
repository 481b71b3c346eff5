package reason

// Advice is a sentence for the sender of a message that failed for c: what a nurse
// can do about it, who knows the recipient and whom to ask, and no software.
// Outcome.Hint is for operators.
func (c Code) Advice() string {
	text, ok := advice[c]
	if !ok {
		return advice[Internal]
	}
	return text
}

// Sentences that serve several codes.
const (
	askRecipient = "Check the address. If it is right, tell the recipient by phone that their Direct mail cannot take your message now, and send it another way if it is urgent."
	askOperator  = "Your own mail operator must mend this. Give them this notice, and send the message another way if it is urgent."
	sendLater    = "Send it again later, or reach the recipient another way if it is urgent."
	askFirst     = "It may have arrived all the same: ask the recipient before you send it again."
	makeAnew     = "Write the message anew and send it again. If that fails too, give this notice to your own mail operator."
)

// advice has a sentence for every code but OK.
var advice = map[Code]string{
	NoCertificate:    "Check the address: it may not be a Direct address. Otherwise ask the recipient whether they can receive Direct mail.",
	DiscoveryTimeout: sendLater,
	UntrustedAnchor:  "Your organization and the recipient's do not trust each other yet. Ask your own mail operator to arrange it, and send the message another way if it is urgent.",
	NoAnchors:        askOperator,
	Expired:          askRecipient,
	NotYetValid:      askRecipient,
	Revoked:          askRecipient,
	RevocationDown:   sendLater,
	WrongAddress:     askRecipient,
	WrongUsage:       askRecipient,
	WeakKey:          askRecipient,
	Unsupported:      askRecipient,
	BadPath:          askRecipient,
	NoRevocation:     askRecipient,
	IssuerDown:       sendLater,
	SignerPolicy:     askRecipient,
	PolicyMissing:    askRecipient,

	NotEncrypted:    askOperator,
	Undecryptable:   askOperator,
	NotSigned:       askOperator,
	BadSignature:    askOperator,
	WeakAlgorithm:   askOperator,
	SenderMismatch:  askOperator,
	TamperedRouting: askOperator,
	NotWrapped:      askOperator,
	Malformed:       makeAnew,

	NoSigningKey: askOperator,

	UnknownRecipient:  "Check the address with the recipient: nobody has it.",
	NotOurDomain:      askOperator,
	RecipientDisabled: "Ask the recipient which address they read now.",
	SenderNotAllowed:  "Send from the address of your own account.",
	AuthRequired:      askOperator,
	AuthFailed:        askOperator,
	TooLarge:          "Send less at once: fewer or smaller attachments.",
	TooManyRecipients: "Send it to fewer recipients at once.",
	BadLineEnding:     makeAnew,
	LineTooLong:       makeAnew,
	BadHeader:         makeAnew,
	NotASCII:          "Write to an address of plain letters: ask the recipient for one.",
	TooSlow:           sendLater,
	Busy:              sendLater,
	StorageFull:       sendLater,
	Internal:          askOperator,

	NoRoute:         "Check what stands behind the @ of the address: mail cannot be sent there.",
	NullMX:          "Check what stands behind the @ of the address: it takes no mail.",
	PeerUnreachable: sendLater,
	PeerDeferred:    sendLater,
	PeerRefused:     "Check the address and read what the recipient's side says. If it does not help, ask the recipient, or give this notice to your own mail operator.",
	QueueExpired:    "Send it again when the recipient's side works, or reach the recipient another way if it is urgent.",
	MailboxFull:     "Tell the recipient that their mailbox is full, and send it again when it is not.",
	Dropped:         "Ask your own mail operator why.",
	RateLimited:     sendLater,

	NoProcessed:  askFirst,
	NoDispatched: askFirst,
}
