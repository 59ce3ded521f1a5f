package router

import (
	"slices"
	"strings"
)

// prefixNode is a node of a radix tree of prefixes. It is built by insert and finish, and read-only from then on.
type prefixNode struct {
	label    string        // the bytes between the parent and this node
	rules    []int32       // the rules whose prefix ends here, ascending
	least    int32         // the first rule in the subtree
	firsts   string        // the first bytes of the children's labels
	children []*prefixNode // in the order of firsts
}

func (n *prefixNode) child(c byte) *prefixNode {
	if i := strings.IndexByte(n.firsts, c); i >= 0 {
		return n.children[i]
	}
	return nil
}

// insert adds a rule; rules come in ascending order.
func (n *prefixNode) insert(prefix string, rule int32) {
	for prefix != "" {
		i := strings.IndexByte(n.firsts, prefix[0])
		if i < 0 {
			leaf := &prefixNode{label: prefix, rules: []int32{rule}}
			n.firsts += prefix[:1]
			n.children = append(n.children, leaf)
			return
		}
		c := n.children[i]
		k := commonPrefix(c.label, prefix)
		if k < len(c.label) {
			// Split the edge: a new node takes the common bytes, c keeps the rest.
			fork := &prefixNode{label: c.label[:k], firsts: c.label[k : k+1], children: []*prefixNode{c}}
			c.label = c.label[k:]
			n.children[i] = fork
			c = fork
		}
		n, prefix = c, prefix[k:]
	}
	n.rules = append(n.rules, rule)
}

func commonPrefix(a, b string) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// finish computes what lookups need, once every prefix is inserted.
func (n *prefixNode) finish() {
	n.rules, n.children = slices.Clip(n.rules), slices.Clip(n.children)
	n.least = 1<<31 - 1
	if len(n.rules) > 0 {
		n.least = n.rules[0]
	}
	for _, c := range n.children {
		c.finish()
		n.least = min(n.least, c.least)
	}
}
