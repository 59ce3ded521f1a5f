package router

// EditsRequest reports whether EditRequest or RewritePath has anything to do.
func (r *Route) EditsRequest() bool {
	return len(r.steps.request) > 0 || r.prefixRewrite != "" || r.regexRewrite != nil
}

// EditsResponse reports whether EditResponse has anything to do.
func (r *Route) EditsResponse() bool { return len(r.steps.response) > 0 }
