package mosn

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Limits of YAML documents beside those of all documents.
const (
	maxYAML     = 4 << 20 // bytes: the parser keeps every token
	maxYAMLKeys = 4096    // of one mapping
)

// parseYAML makes the tree of a YAML document.
func parseYAML(src *source) (n *node, err error) {
	if len(src.text) > maxYAML {
		return nil, fmt.Errorf("the file is larger than %d MiB; a configuration is not", maxYAML>>20)
	}
	if !utf8.ValidString(src.text) {
		return nil, (&jsonParser{src: src, s: src.text, line: 1}).encoding()
	}
	// The parser is not ours and has panicked on nonsense before; a mistake in a file must not stop the process that
	// reloads it.
	defer func() {
		if v := recover(); v != nil {
			n, err = nil, &syntaxError{line: 1, col: 1, message: fmt.Sprintf("this is not YAML: %v", v)}
		}
	}()
	tokens := lexer.Tokenize(src.text)
	if e := checkShape(tokens); e != nil {
		return nil, e
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return nil, yamlMistake(err)
	}
	var body ast.Node
	for _, doc := range file.Docs {
		if doc.Body == nil || doc.Body.Type() == ast.DirectiveType {
			continue
		}
		if body != nil {
			return nil, syntaxAt(doc.Body, "expected one document, found a second one")
		}
		body = doc.Body
	}
	if body == nil {
		return nil, &syntaxError{line: 1, col: 1, message: "the file is empty; expected a mapping such as \"servers: ...\""}
	}
	b := &yamlBuilder{src: src, anchors: make(map[string]ast.Node)}
	root, e := b.build(body, 0)
	if e != nil {
		return nil, e
	}
	return root, nil
}

// checkShape refuses what would make the parser run out of stack or time: many brackets, many "- " or "? " on one line
// (which need no indentation), and mappings of many keys (it compares each key with all before it).
func checkShape(tokens token.Tokens) *syntaxError {
	c := shapeChecker{}
	for _, t := range tokens {
		if message := c.token(t); message != "" {
			return &syntaxError{line: t.Position.Line, col: t.Position.Column, message: message}
		}
	}
	return nil
}

// A shapeChecker follows the tokens of a document without making a tree.
type shapeChecker struct {
	line   int
	inLine int          // indicators on the line that nest
	flow   []int        // keys of each open bracket
	block  []blockLevel // open block mappings, by column
}

type blockLevel struct{ column, keys int }

func (c *shapeChecker) token(t *token.Token) string {
	keys := 0
	switch t.Type {
	case token.SequenceStartType, token.MappingStartType:
		c.flow = append(c.flow, 0)
	case token.SequenceEndType, token.MappingEndType:
		if len(c.flow) > 0 {
			c.flow = c.flow[:len(c.flow)-1]
		}
	case token.SequenceEntryType, token.MappingKeyType, token.TagType, token.AnchorType:
		c.nests(t)
		c.leave(t.Position.Column)
	case token.MappingValueType:
		c.nests(t)
		keys = c.key(t)
	default:
	}
	switch {
	case len(c.flow) > maxDepth || len(c.block) > maxDepth || c.inLine > maxDepth:
		return fmt.Sprintf("nested deeper than %d levels", maxDepth)
	case keys > maxYAMLKeys:
		return fmt.Sprintf("a mapping with more than %d keys", maxYAMLKeys)
	}
	return ""
}

// nests counts an indicator that may nest without indentation. Between brackets only they nest, and they are counted.
func (c *shapeChecker) nests(t *token.Token) {
	if t.Position.Line != c.line {
		c.line, c.inLine = t.Position.Line, 0
	}
	if len(c.flow) == 0 {
		c.inLine++
	}
}

// leave closes the block mappings that stand further right than column.
func (c *shapeChecker) leave(column int) {
	for len(c.flow) == 0 && len(c.block) > 0 && c.block[len(c.block)-1].column > column {
		c.block = c.block[:len(c.block)-1]
	}
}

// key counts a key of the innermost mapping and returns how many it has so far. t is the colon behind it.
func (c *shapeChecker) key(t *token.Token) int {
	if n := len(c.flow); n > 0 {
		c.flow[n-1]++
		return c.flow[n-1]
	}
	column := t.Position.Column
	if t.Prev != nil {
		column = t.Prev.Position.Column
	}
	c.leave(column)
	if n := len(c.block); n == 0 || c.block[n-1].column < column {
		c.block = append(c.block, blockLevel{column: column})
	}
	top := &c.block[len(c.block)-1]
	top.keys++
	return top.keys
}

// yamlMistake turns the parser's error into ours.
func yamlMistake(err error) error {
	var e yaml.Error
	if !errors.As(err, &e) {
		return &syntaxError{line: 1, col: 1, message: err.Error()}
	}
	t := e.GetToken()
	out := &syntaxError{line: 1, col: 1, message: e.GetMessage() + yamlHint(e.GetMessage(), t)}
	if t != nil && t.Position != nil {
		out.line, out.col = max(t.Position.Line, 1), max(t.Position.Column, 1)
	}
	return out
}

// yamlHint says what people mostly have done who get that message of the parser: it speaks of grammar.
func yamlHint(message string, t *token.Token) string {
	alias := func(t *token.Token) bool { return t != nil && t.Type == token.AliasType }
	switch {
	case alias(t) || t != nil && alias(t.Prev):
		return "; an unquoted * names an anchor: write \"*\" in quotes"
	case strings.Contains(message, "\t") || strings.Contains(message, "tab character"):
		return "; YAML is indented with spaces, not with tabs"
	case strings.HasPrefix(message, "unexpected key name"):
		return "; a key needs a colon and a space behind it, as in name: value"
	case strings.HasPrefix(message, "block sequence entries"):
		return "; a list starts on the line below its key"
	case strings.Contains(message, "not allowed in this context"), strings.HasPrefix(message, "non-map value"):
		return "; is it indented as far as its neighbours?"
	case strings.HasSuffix(message, "is a reserved character"):
		return "; put the value in quotes"
	}
	return ""
}

func syntaxAt(n ast.Node, message string) *syntaxError {
	line, col := yamlPosition(n)
	return &syntaxError{line: line, col: col, message: message}
}

// yamlPosition is where a value starts.
func yamlPosition(n ast.Node) (line, col int) {
	t := n.GetToken()
	switch v := n.(type) {
	case *ast.MappingNode:
		if !v.IsFlowStyle && len(v.Values) > 0 {
			return yamlPosition(v.Values[0])
		}
	case *ast.MappingValueNode:
		t = v.Key.GetToken()
	}
	if t == nil || t.Position == nil {
		return 1, 1
	}
	return max(t.Position.Line, 1), max(t.Position.Column, 1)
}

// A yamlBuilder makes our tree of the parser's.
type yamlBuilder struct {
	src     *source
	anchors map[string]ast.Node
	nodes   int
}

func (b *yamlBuilder) build(y ast.Node, depth int) (*node, *syntaxError) {
	if y == nil {
		return nil, &syntaxError{line: 1, col: 1, message: "a value is missing"}
	}
	if b.nodes++; b.nodes > maxNodes {
		return nil, syntaxAt(y, fmt.Sprintf("the document has more than %d values, aliases expanded", maxNodes))
	}
	if depth++; depth > maxDepth {
		return nil, syntaxAt(y, fmt.Sprintf("nested deeper than %d levels", maxDepth))
	}
	n := &node{src: b.src}
	n.line, n.col = yamlPosition(y)
	switch v := y.(type) {
	case *ast.MappingNode:
		return n, b.mapping(n, v.Values, depth)
	case *ast.MappingValueNode:
		return n, b.mapping(n, []*ast.MappingValueNode{v}, depth)
	case *ast.SequenceNode:
		return n, b.sequence(n, v, depth)
	case *ast.AnchorNode:
		// An alias inside of the value it stands for finds nothing: the name exists from behind it on.
		value, e := b.build(v.Value, depth)
		b.anchors[anchorName(v.Name)] = v.Value
		return value, e
	case *ast.AliasNode:
		name := anchorName(v.Value)
		target, ok := b.anchors[name]
		if !ok {
			return nil, syntaxAt(y, "there is no anchor named "+quote(name)+" above")
		}
		return b.build(target, depth)
	case *ast.TagNode:
		return nil, syntaxAt(y, "tags such as "+clip(v.Start.Value)+" have no meaning here; remove it")
	}
	return n, b.scalar(n, y)
}

func anchorName(n ast.Node) string {
	if n == nil {
		return ""
	}
	return n.GetToken().Value
}

// mapping adds the members of n. A "<<" merges another mapping, whose keys count where n has none of its own.
func (b *yamlBuilder) mapping(n *node, values []*ast.MappingValueNode, depth int) *syntaxError {
	n.kind = kindObject
	var merged []*node
	for _, mv := range values {
		v, e := b.build(mv.Value, depth)
		if e != nil {
			return e
		}
		if mv.Key.IsMergeKey() {
			if v.kind != kindObject {
				return syntaxAt(mv, "expected a mapping behind <<, found "+v.found())
			}
			merged = append(merged, v)
			continue
		}
		key, e := b.key(mv)
		if e != nil {
			return e
		}
		key.value = v
		v.parent, v.key = n, key.key
		n.members = append(n.members, key)
	}
	for _, other := range merged {
		for _, m := range other.members {
			if n.member(m.key) == nil {
				m.value.parent = n
				n.members = append(n.members, m)
			}
		}
	}
	return nil
}

func (b *yamlBuilder) key(mv *ast.MappingValueNode) (member, *syntaxError) {
	var k ast.Node = mv.Key
	if explicit, ok := k.(*ast.MappingKeyNode); ok {
		k = explicit.Value
	}
	scalar, ok := k.(ast.ScalarNode)
	if !ok {
		return member{}, syntaxAt(mv, "expected a key that is a string")
	}
	m := member{key: scalar.GetToken().Value}
	if s, ok := scalar.(*ast.StringNode); ok {
		m.key = s.Value
	}
	m.line, m.col = yamlPosition(k)
	return m, nil
}

func (b *yamlBuilder) sequence(n *node, v *ast.SequenceNode, depth int) *syntaxError {
	n.kind = kindArray
	for _, item := range v.Values {
		c, e := b.build(item, depth)
		if e != nil {
			return e
		}
		c.parent, c.index = n, len(n.items)
		n.items = append(n.items, c)
	}
	return nil
}

// scalar writes a value as JSON would have it.
func (b *yamlBuilder) scalar(n *node, y ast.Node) *syntaxError {
	switch v := y.(type) {
	case *ast.NullNode:
		n.kind = kindNull
	case *ast.BoolNode:
		n.kind, n.text = kindBool, strconv.FormatBool(v.Value)
	case *ast.IntegerNode:
		n.kind, n.text = kindNumber, fmt.Sprint(v.Value)
	case *ast.FloatNode:
		n.kind, n.text = kindNumber, strconv.FormatFloat(v.Value, 'g', -1, 64)
		if !validNumber(n.text) {
			return syntaxAt(y, v.Token.Value+" is not a number that a configuration can have")
		}
	case *ast.StringNode:
		n.kind, n.text = kindString, v.Value
	case *ast.LiteralNode:
		n.kind = kindString
		if v.Value != nil {
			n.text = v.Value.Value
		}
	default:
		return syntaxAt(y, "a value of this kind ("+strings.ToLower(y.Type().String())+") has no meaning here")
	}
	return nil
}
