package httpedge

import (
	"io"
	"net/http"
	"net/url"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"postern/mime"
	"postern/trust/reason"
)

// A route is a resource with what can be done to it.
type route struct {
	path    []string // segments; those in braces match any one
	methods map[string]action
}

// An action is one method of a resource.
type action struct {
	scope Scope // "" for what everybody may see
	// query are the parameters that are understood; any other is refused.
	query []string
	// gives are the media types of a success; nil is that of JSON.
	gives []string
	do    func(w http.ResponseWriter, r *request) error
}

// A request is one of an account, with what its path says.
type request struct {
	*http.Request
	login  Login
	values map[string]string // of the segments in braces
	query  url.Values
}

// table says what there is.
func (s *Server) table() []route {
	const message = "message/rfc822"
	at := func(path string, methods map[string]action) route {
		return route{strings.Split(path, "/"), methods}
	}
	return []route{
		at("openapi.json", map[string]action{
			"GET": {do: s.document},
		}),
		at("v1/messages", map[string]action{
			"GET":  {scope: ScopeRead, query: []string{"after", "limit", "all", "wait"}, do: s.listMessages},
			"POST": {scope: ScopeSend, query: []string{"from", "to"}, do: s.send},
		}),
		at("v1/messages/{id}", map[string]action{
			"GET":    {scope: ScopeRead, do: s.readMessage},
			"DELETE": {scope: ScopeRead, do: s.removeMessage},
		}),
		at("v1/messages/{id}/raw", map[string]action{
			"GET": {scope: ScopeRead, gives: []string{message}, do: s.rawMessage},
		}),
		at("v1/messages/{id}/parts/{part}", map[string]action{
			"GET": {scope: ScopeRead, gives: []string{}, do: s.readPart},
		}),
		at("v1/messages/{id}/ack", map[string]action{
			"PUT":    {scope: ScopeRead, do: s.acknowledge(true)},
			"DELETE": {scope: ScopeRead, do: s.acknowledge(false)},
		}),
		at("v1/sent", map[string]action{
			"GET": {scope: ScopeSend, query: []string{"after", "limit", "since", "until", "to", "state"}, do: s.listSent},
		}),
		at("v1/sent/{id}", map[string]action{
			"GET": {scope: ScopeSend, do: s.readSent},
		}),
		at("v1/lookup", map[string]action{
			"GET": {scope: ScopeLookup, query: []string{"address"}, do: s.lookup},
		}),
		at("v1/hooks", map[string]action{
			"GET":  {scope: ScopeHooks, do: s.listHooks},
			"POST": {scope: ScopeHooks, do: s.addHook},
		}),
		at("v1/hooks/{id}", map[string]action{
			"GET":    {scope: ScopeHooks, do: s.readHook},
			"DELETE": {scope: ScopeHooks, do: s.removeHook},
		}),
		at("v1/hooks/{id}/enable", map[string]action{
			"POST": {scope: ScopeHooks, do: s.enableHook},
		}),
		at("v1/hooks/{id}/secret", map[string]action{
			"POST": {scope: ScopeHooks, do: s.rotateHook},
		}),
	}
}

// find returns the route of a path, with what stands in its braces. Segments are
// compared as they came and unescaped one by one, so that no escape makes another
// path.
func (s *Server) find(path string) (route, map[string]string, bool) {
	segments := strings.Split(strings.TrimPrefix(path, "/"), "/")
	for _, r := range s.routes {
		values, ok := r.match(segments)
		if ok {
			return r, values, true
		}
	}
	return route{}, nil, false
}

func (r route) match(segments []string) (map[string]string, bool) {
	if len(segments) != len(r.path) {
		return nil, false
	}
	values := make(map[string]string)
	for i, want := range r.path {
		name, variable := strings.CutPrefix(want, "{")
		if !variable {
			if segments[i] != want {
				return nil, false
			}
			continue
		}
		value, err := url.PathUnescape(segments[i])
		if err != nil || value == "" {
			return nil, false
		}
		values[strings.TrimSuffix(name, "}")] = value
	}
	return values, true
}

// serve answers a request, with a net under panics: what one request meets ends no
// other.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		if p == http.ErrAbortHandler {
			panic(p) // the answer is broken off
		}
		s.options.Log.Error("a request panicked", "panic", p, "stack", string(debug.Stack()))
		panic(http.ErrAbortHandler)
	}()
	s.underWay.begin()
	defer s.underWay.end()
	l := &connectionOf(r.Context()).leave
	l.work()
	defer l.rest()
	w = &said{w, l}
	if r.Body != http.NoBody {
		r = r.WithContext(r.Context()) // net/http knows its own request by the body
		r.Body = &heard{r.Body, l}
	}
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; sandbox")
	h.Set("Referrer-Policy", "no-referrer")
	begun := time.Now()
	err := s.handle(w, r)
	if err == nil {
		return
	}
	s.tell(r, err)
	s.hearOut(w, r, err, begun)
	problemOf(err).write(w)
}

// patient is how long a client at least waits, before it sends a body, for what is said
// of the header (RFC 9110 §10.1.1).
const patient = 300 * time.Millisecond

// pause is how long nothing may come of a body that is refused, before the answer goes.
const pause = 2 * time.Second

// hearOut takes the rest of a body that is refused, for a while, as long as it comes: a
// client that is still sending when the connection ends does not see the answer.
func (s *Server) hearOut(w http.ResponseWriter, r *http.Request, err error, begun time.Time) {
	if r.Body == http.NoBody || reason.Of(err) == reason.TooSlow || r.Context().Err() != nil {
		return
	}
	if r.Header.Get("Expect") != "" && time.Since(begun) < patient {
		return // nothing was sent
	}
	c := http.NewResponseController(w)
	until := time.Now().Add(s.options.Silence)
	_ = c.SetWriteDeadline(until.Add(s.options.Silence))
	rest := io.LimitReader(r.Body, mime.Base64Size(s.options.MessageBytes)+smallRoom)
	buf := make([]byte, 32<<10)
	for now := time.Now(); now.Before(until); now = time.Now() {
		_ = c.SetReadDeadline(now.Add(min(pause, until.Sub(now))))
		_, err := rest.Read(buf)
		if err != nil {
			return // all has come, or the client waits for the answer
		}
	}
}

// tell logs what a request came to. What is ours is an error: not what is busy or full,
// which is told where that is known, and not what was broken off because the client has
// gone, which any stranger can do as often as he likes.
func (s *Server) tell(r *http.Request, err error) {
	p := problemOf(err)
	log := s.options.Log.With("method", r.Method, "remote", connectionOf(r.Context()).remote.Addr())
	if p.Status == http.StatusInternalServerError && r.Context().Err() == nil {
		log.Error("an HTTP request failed", "err", err)
		return
	}
	s.errors.Add(1)
	log.Debug("an HTTP request was refused", "status", p.Status, "code", p.Code, "gone", r.Context().Err() != nil)
}

func (s *Server) handle(w http.ResponseWriter, r *http.Request) error {
	route, values, ok := s.find(r.URL.EscapedPath())
	if !ok {
		return notFound()
	}
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet // net/http drops the content
	}
	a, ok := route.methods[method]
	if !ok {
		return s.otherMethod(w, r, route)
	}
	query, err := a.parameters(r)
	if err == nil {
		err = a.acceptable(r)
	}
	if err != nil {
		return err
	}
	q := &request{Request: r, values: values, query: query}
	if a.scope == "" {
		return a.do(w, q)
	}
	q.login, err = s.authenticate(w, r, a.scope)
	if err != nil {
		return err
	}
	end, ok := s.begin(q.login.Account)
	if !ok {
		p := problemFor(reason.RateLimited)
		p.Detail, p.wait = "the account has too many requests at once", 1
		return p
	}
	defer end()
	return a.do(w, q)
}

// otherMethod answers OPTIONS, and refuses what the resource does not know.
func (s *Server) otherMethod(w http.ResponseWriter, r *http.Request, route route) error {
	allowed := []string{http.MethodOptions}
	for m := range route.methods {
		allowed = append(allowed, m)
		if m == http.MethodGet {
			allowed = append(allowed, http.MethodHead)
		}
	}
	slices.Sort(allowed)
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	if r.Method == http.MethodOptions {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	return newProblem(http.StatusMethodNotAllowed, codeMethod, "that cannot be done here")
}

// maxParameters bounds the parameters of a query.
const maxParameters = 1100

// parameters reads the query. What is not understood is refused, so that no typing
// error lists more than was wanted; and so is a token, which does not belong there.
func (a action) parameters(r *http.Request) (url.Values, error) {
	if strings.Count(r.URL.RawQuery, "&") >= maxParameters {
		return nil, badRequest("too many parameters")
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, badRequest("the query cannot be read")
	}
	for name, values := range query {
		if !slices.Contains(a.query, name) {
			return nil, wrong(shown(name), "there is no such parameter here")
		}
		if len(values) > 1 && name != "to" {
			return nil, wrong(name, "the parameter stands more than once")
		}
	}
	return query, nil
}

// shown is a name that a client gave, for the client.
func shown(name string) string {
	name = strings.ToValidUTF8(name, "?")
	return name[:min(len(name), maxJSONName)]
}

// acceptable says whether the client takes what it would be given (RFC 9110 §12.5.1).
func (a action) acceptable(r *http.Request) error {
	gives := a.gives
	if gives == nil {
		gives = []string{"application/json"}
	}
	accept := strings.Join(r.Header.Values("Accept"), ",")
	if strings.TrimSpace(accept) == "" || len(gives) == 0 || slices.ContainsFunc(gives, func(t string) bool { return accepts(accept, t) }) {
		return nil
	}
	return newProblem(http.StatusNotAcceptable, codeNotAcceptable, "there is only %s here", strings.Join(gives, " or "))
}

// accepts reports whether a range of Accept has the type. The most exact counts, and
// one of quality 0 refuses.
func accepts(accept, mediaType string) bool {
	main, _, _ := strings.Cut(mediaType, "/")
	best, taken := -1, false
	for part := range strings.SplitSeq(accept, ",") {
		r, params, _ := strings.Cut(part, ";")
		exact := slices.Index([]string{"*/*", main + "/*", mediaType}, strings.ToLower(strings.TrimSpace(r)))
		if exact >= 0 && exact >= best {
			best, taken = exact, !refuses(params)
		}
	}
	return taken
}

// refuses reports whether the quality is 0.
func refuses(params string) bool {
	for p := range strings.SplitSeq(params, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(p), "=")
		if strings.EqualFold(name, "q") && strings.Trim(value, "0.") == "" {
			return true
		}
	}
	return false
}
