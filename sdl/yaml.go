package sdl

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// Bounds on a file. Aliases can make a short file stand for a long one; text and values are
// counted each time they are used.
const (
	// MaxSize is the largest file that Parse takes, in bytes.
	MaxSize   = 1 << 20
	maxDepth  = 64
	maxValues = 200_000
	maxText   = 2 << 20
	maxErrors = 100
)

// path leads to a value; the text is made only when an error needs it.
type path struct {
	up    *path
	key   string
	index int // -1: key
}

func (p *path) child(key string) *path { return &path{up: p, key: key, index: -1} }
func (p *path) item(i int) *path       { return &path{up: p, index: i} }

func (p *path) String() string {
	if p == nil {
		return ""
	}
	up := p.up.String()
	if p.index >= 0 {
		return up + "[" + strconv.Itoa(p.index) + "]"
	}
	key := p.key
	if key == "" || strings.ContainsAny(key, ".[]: \n\t\"") {
		key = strconv.Quote(key)
	}
	if up == "" {
		return key
	}
	return up + "." + key
}

// value is a place in the file and what stands there. node is nil where nothing or null does;
// pos is then the nearest thing that does.
type value struct {
	node *yaml.Node
	pos  *yaml.Node
	path *path
}

func (v value) exists() bool { return v.node != nil }

// reader reads values out of a file and collects what is wrong.
type reader struct {
	file     string
	errs     Errors
	warns    Errors
	values   int
	text     int
	stopped  bool // a bound was passed, or errors are too many
	reported map[string]bool
}

// fail reports an error; of one value only the first, since what comes after follows from it.
func (r *reader) fail(v value, problem, fix string) {
	if r.stopped {
		return
	}
	where := v.path.String()
	if r.reported[where] {
		return
	}
	if r.reported == nil {
		r.reported = map[string]bool{}
	}
	r.reported[where] = true
	if len(r.errs) >= maxErrors {
		r.stopped = true
		problem, fix = fmt.Sprintf("more than %d errors", maxErrors), "mend those above first"
	}
	r.errs = append(r.errs, r.at(v, problem, fix))
}

func (r *reader) warn(v value, problem, fix string) {
	if len(r.warns) < maxErrors {
		r.warns = append(r.warns, r.at(v, problem, fix))
	}
}

func (r *reader) at(v value, problem, fix string) Error {
	e := Error{File: r.file, Line: 1, Column: 1, Path: v.path.String(), Problem: problem, Fix: fix}
	if v.pos != nil && v.pos.Line > 0 {
		e.Line, e.Column = v.pos.Line, v.pos.Column
	}
	return e
}

// spend counts values and text against the bounds; false once one is passed.
func (r *reader) spend(v value, values, text int) bool {
	if r.stopped {
		return false
	}
	r.values += values
	r.text += text
	if r.values > maxValues || r.text > maxText {
		r.fail(v, "the file has too many values", fmt.Sprintf("keep it under %d values and %d bytes of text, each use of an alias counted", maxValues, maxText))
		r.stopped = true
		return false
	}
	return true
}

// load parses the text. Where it isn't YAML, the error says so and false comes back.
func (r *reader) load(data []byte) (root value, ok bool) {
	if len(data) > MaxSize {
		r.fail(value{}, fmt.Sprintf("the file has %d bytes", len(data)), fmt.Sprintf("at most %d are taken", MaxSize))
		return root, false
	}
	if !utf8.Valid(data) {
		line, col := 1, 1
		for rest := data; ; {
			c, n := utf8.DecodeRune(rest)
			if c == utf8.RuneError && n <= 1 {
				break
			}
			if col += n; c == '\n' {
				line, col = line+1, 1
			}
			rest = rest[n:]
		}
		r.fail(value{pos: &yaml.Node{Line: line, Column: col}}, "the file isn't UTF-8 text", "save it as UTF-8")
		return root, false
	}
	doc, more, err := parseYAML(data)
	if err != nil {
		line, problem := yamlProblem(err)
		r.fail(value{pos: &yaml.Node{Line: line, Column: 1}}, "not YAML: "+problem, yamlFix(problem))
		return root, false
	}
	if doc == nil || len(doc.Content) == 0 || doc.Content[0].Tag == "!!null" && doc.Content[0].Kind == yaml.ScalarNode {
		r.fail(value{}, "the file is empty", "see the SDL reference for what belongs in it")
		return root, false
	}
	root = value{node: doc.Content[0], pos: doc.Content[0]}
	if deep := tooDeep(doc, 0); deep != nil {
		r.fail(value{pos: deep}, fmt.Sprintf("nested deeper than %d levels", maxDepth), "an SDL needs about 12")
		return root, false
	}
	if more {
		r.warn(root, "only the first YAML document of the file is read", "put each deployment in a file of its own")
	}
	if root.node.Kind != yaml.MappingNode {
		r.fail(root, "an SDL is a mapping, this is "+kindOf(root.node), `start with: version: "2.0"`)
		return root, false
	}
	return root, true
}

// parseYAML parses the first document and says whether there is more. The library reports
// errors of its own by panic inside, and recovers them; what else may escape must not reach a
// user's process.
func parseYAML(data []byte) (doc *yaml.Node, more bool, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("yaml: %v", p)
		}
	}()
	dec := yaml.NewDecoder(bytes.NewReader(data))
	doc = new(yaml.Node)
	if err := dec.Decode(doc); err != nil {
		if err.Error() == "EOF" {
			return nil, false, nil
		}
		return nil, false, err
	}
	// The rest is ignored, as today's tools do; whether it is good YAML is of no interest.
	if bytes.Contains(data, []byte("\n---")) {
		var next yaml.Node
		if dec.Decode(&next) == nil && len(next.Content) > 0 && next.Content[0].Tag != "!!null" {
			more = true
		}
	}
	return doc, more, nil
}

var yamlLine = regexp.MustCompile(`^yaml: line (\d+): (?s)(.*)$`)

func yamlProblem(err error) (line int, problem string) {
	s := err.Error()
	if m := yamlLine.FindStringSubmatch(s); m != nil {
		line, _ = strconv.Atoi(m[1])
		return max(line, 1), m[2]
	}
	return 1, strings.TrimPrefix(s, "yaml: ")
}

func yamlFix(problem string) string {
	switch {
	case strings.Contains(problem, "cannot start any token"):
		return "indent with spaces, not tabs, and quote values that start with @, ` or %"
	case strings.Contains(problem, "mapping values are not allowed"):
		return "check the indentation, and quote values that contain a colon"
	case strings.Contains(problem, "did not find expected"):
		return "check the indentation near this line"
	case strings.Contains(problem, "unknown anchor"):
		return "define the anchor (&name) before its use (*name), or quote a value that starts with *"
	case strings.Contains(problem, "control characters"):
		return "remove them"
	}
	return "check this line"
}

// tooDeep returns a node nested too deep, without following aliases.
func tooDeep(n *yaml.Node, depth int) *yaml.Node {
	if depth > maxDepth {
		return n
	}
	for _, c := range n.Content {
		if deep := tooDeep(c, depth+1); deep != nil {
			return deep
		}
	}
	return nil
}

func kindOf(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	if n.Value == "" {
		return "empty text"
	}
	return "the value " + short(n.Value)
}

// short is text for an error: quoted, and cut where it is long.
func short(s string) string {
	if len(s) > 64 {
		cut := 60
		for !utf8.RuneStart(s[cut]) {
			cut--
		}
		s = s[:cut] + "…"
	}
	return strconv.Quote(s)
}

// field is an entry of a mapping.
type field struct {
	key  string
	name value // the key's place
	value
}

// fields are the entries of a mapping, aliases resolved and << merged in. Nothing or null has
// none.
type fields struct {
	of   value
	list []field
}

func (r *reader) fields(v value) fields {
	f := fields{of: v}
	if !v.exists() {
		return f
	}
	if v.node.Kind != yaml.MappingNode {
		r.fail(v, "expected a mapping (key: value), found "+kindOf(v.node), "")
		return f
	}
	r.merge(&f, v.node, v.path, 0)
	return f
}

// merge adds a mapping's entries to f: its own first, then those of << that it hasn't.
func (r *reader) merge(f *fields, n *yaml.Node, p *path, depth int) {
	if !r.spend(value{pos: n, path: p}, 1+len(n.Content), 0) {
		return
	}
	own := len(f.list)
	var merged []*yaml.Node
	seen := make(map[string]*yaml.Node, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, val := deref(n.Content[i]), n.Content[i+1]
		if key.Kind != yaml.ScalarNode {
			r.fail(value{pos: n.Content[i], path: p}, "a key must be text, this is "+kindOf(key), "")
			continue
		}
		if key.Tag == "!!merge" {
			merged = append(merged, val)
			continue
		}
		if first := seen[key.Value]; first != nil {
			r.fail(value{pos: n.Content[i], path: p.child(key.Value)}, fmt.Sprintf("the key %s is there twice, first on line %d", short(key.Value), first.Line), "keep one")
			continue
		}
		seen[key.Value] = key
		if depth > 0 && f.has(key.Value, own) {
			continue
		}
		f.list = append(f.list, makeField(key, n.Content[i], val, p))
	}
	for _, m := range merged {
		r.mergeFrom(f, m, p, depth)
	}
}

func (r *reader) mergeFrom(f *fields, m *yaml.Node, p *path, depth int) {
	at := value{pos: m, path: p}
	if depth >= 8 { // also ends a mapping that merges itself
		r.fail(at, "<< is nested deeper than 8 levels", "")
		return
	}
	m = deref(m)
	switch {
	case m.Kind == yaml.MappingNode:
		r.merge(f, m, p, depth+1)
	case m.Kind == yaml.SequenceNode && depth == 0:
		for _, c := range m.Content {
			if c = deref(c); c.Kind != yaml.MappingNode {
				r.fail(at, "<< takes mappings, this is "+kindOf(c), "")
				continue
			}
			r.merge(f, c, p, depth+1)
		}
	default:
		r.fail(at, "<< takes a mapping or a list of mappings, this is "+kindOf(m), "")
	}
}

// has reports whether one of the first n entries has that key.
func (f *fields) has(key string, n int) bool {
	for i := range f.list[:n] {
		if f.list[i].key == key {
			return true
		}
	}
	return false
}

func makeField(key, keyPos, val *yaml.Node, p *path) field {
	fp := p.child(key.Value)
	v := value{node: deref(val), pos: keyPos, path: fp}
	if v.node.Kind == yaml.ScalarNode {
		if v.node.Tag == "!!null" {
			v.node = nil
		} else {
			v.pos = v.node
		}
	}
	return field{key: key.Value, name: value{node: key, pos: keyPos, path: fp}, value: v}
}

func deref(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode && n.Alias != nil {
		n = n.Alias
	}
	return n
}

// get is the value under a key; where there is none, a value that doesn't exist, placed at the
// mapping.
func (f fields) get(key string) value {
	for i := range f.list {
		if f.list[i].key == key {
			return f.list[i].value
		}
	}
	return value{pos: f.of.pos, path: f.of.path.child(key)}
}

// only warns of keys that mean nothing here; today's tools ignore them.
func (r *reader) only(f fields, known ...string) {
next:
	for i := range f.list {
		for _, k := range known {
			if f.list[i].key == k {
				continue next
			}
		}
		r.warn(f.list[i].name, "this key means nothing here and is ignored", "known keys: "+strings.Join(known, ", "))
	}
}

// items are a list's values. Nothing or null has none, and is not present.
func (r *reader) items(v value, fix string) (items []value, present bool) {
	if !v.exists() {
		return nil, false
	}
	if v.node.Kind != yaml.SequenceNode {
		r.fail(v, "expected a list, found "+kindOf(v.node), fix)
		return nil, false
	}
	if !r.spend(v, 1+len(v.node.Content), 0) {
		return nil, true
	}
	items = make([]value, len(v.node.Content))
	for i, c := range v.node.Content {
		n := deref(c)
		items[i] = value{node: n, pos: c, path: v.path.item(i)}
		if n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
			items[i].node = nil
		}
	}
	return items, true
}

// str is a value's text: of numbers and the like as written, of nothing or null empty.
func (r *reader) str(v value, fix string) string {
	if !v.exists() {
		return ""
	}
	if v.node.Kind != yaml.ScalarNode {
		r.fail(v, "expected text, found "+kindOf(v.node), fix)
		return ""
	}
	if v.node.Tag == "!!binary" {
		r.fail(v, "binary values aren't taken", "write plain text")
		return ""
	}
	if !r.spend(v, 1, len(v.node.Value)) {
		return ""
	}
	return v.node.Value
}

// strs is a list of text. It is nil where there is no list, and empty where the list is.
func (r *reader) strs(v value, fix, itemFix string) ([]string, []value) {
	items, present := r.items(v, fix)
	if !present {
		return nil, nil
	}
	out := make([]string, len(items))
	for i := range items {
		out[i] = r.str(items[i], itemFix)
	}
	return out, items
}

// num is a whole number of up to 32 bits; nothing or null is 0. Quoted numbers are text, as
// YAML has it, and refused.
func (r *reader) num(v value, fix string) (n uint32, ok bool) {
	if !v.exists() {
		return 0, true
	}
	if v.node.Kind != yaml.ScalarNode {
		r.fail(v, "expected a number, found "+kindOf(v.node), fix)
		return 0, false
	}
	if !r.spend(v, 1, len(v.node.Value)) {
		return 0, false
	}
	var number any
	if err := v.node.Decode(&number); err != nil {
		number = nil
	}
	switch x := number.(type) {
	case int:
		if x >= 0 && x <= 1<<32-1 {
			return uint32(x), true
		}
	case int64, uint64: // too large
	case float64:
		if x >= 0 && x <= 1<<32-1 && x == float64(uint32(x)) {
			return uint32(x), true
		}
		if x >= 0 && x <= 1<<32-1 {
			r.fail(v, v.node.Value+" is not a whole number", fix)
			return 0, false
		}
	case string:
		if _, err := strconv.ParseUint(x, 10, 32); err == nil {
			r.fail(v, short(x)+" is text, not a number", "write it without quotes")
			return 0, false
		}
		r.fail(v, short(x)+" is not a number", fix)
		return 0, false
	default:
		r.fail(v, short(v.node.Value)+" is not a number", fix)
		return 0, false
	}
	r.fail(v, v.node.Value+" is out of range", fix)
	return 0, false
}

// flag is true or false; nothing or null is false. yes, no, on and off count too.
func (r *reader) flag(v value) bool {
	if !v.exists() {
		return false
	}
	if v.node.Kind == yaml.ScalarNode && r.spend(v, 1, len(v.node.Value)) {
		var b bool
		if v.node.Decode(&b) == nil {
			return b
		}
	}
	r.fail(v, "expected true or false, found "+kindOf(v.node), "")
	return false
}
