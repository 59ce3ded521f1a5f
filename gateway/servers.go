package gateway

func (g *Gateway) serveAdmin() error { return nil }
func (g *Gateway) writePid() error   { return nil }
func (g *Gateway) removePid()        {}
