package mosn

import (
	"strings"

	"sluice/router"
)

// retry reads a retry policy. Without num_retries there are three, as in MOSN; a number counts as it stands there, while
// MOSN takes every number below three for three. Conditions turn it on, unless retry_on says otherwise.
func (r *reader) retry(o object, p *router.RetryPolicy) {
	const tries, most = 3, 100
	c := o.child("retry_policy", retrySchema)
	conditions := c.array("retry_conditions")
	for _, v := range conditions {
		if s := r.str(v); s != "" && !p.AddCondition(strings.ToLower(s)) {
			r.errorf(v, "unknown retry condition %s%s", quote(s), didYouMean(s, router.RetryConditionNames()))
		}
	}
	p.On = r.retryOn(c, len(conditions) > 0)
	p.TryTimeout, _ = c.duration("retry_timeout", false)
	if v := c.node("num_retries"); v != nil {
		n, _ := r.integer(v, 0, most)
		p.Tries = int(n)
	} else if p.On {
		p.Tries = tries
	}
	for _, v := range c.array("status_codes") {
		if code, ok := r.integer(v, 100, 599); ok {
			p.StatusCodes = append(p.StatusCodes, int(code))
		}
	}
}

func (r *reader) retryOn(c object, conditions bool) bool {
	v := c.node("retry_on")
	if v != nil && v.kind == kindString && v.text != "true" && v.text != "false" {
		r.expected(v, "true or false", `conditions stand in a list: "retry_conditions": ["5xx", "unavailable"]`)
		return false
	}
	on := c.boolean("retry_on", conditions)
	if conditions && !on && v.kind == kindBool {
		r.warnf(v, "retry_conditions has no effect, because retry_on is false")
	}
	return on
}
