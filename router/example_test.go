package router_test

import (
	"fmt"

	"sluice/protocols"
	"sluice/router"
)

func Example() {
	table, err := router.Compile(&router.Config{VirtualHosts: []router.VirtualHost{{
		Name:    "shop",
		Domains: []string{"shop.example.com", "*.shop.example.com"},
		Routes: []router.Rule{
			{Match: router.Match{Prefix: "/api/"}, Cluster: "api", PrefixRewrite: "/v2/"},
			{Match: router.Match{Prefix: "/"}, Cluster: "web"},
		},
	}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	var h protocols.Header
	h.Reset()
	h.SetAuthority([]byte("eu.shop.example.com:8080"))
	h.SetPath([]byte("/api/items?page=2"))

	in := router.Input{Header: &h, Random: 42}
	route, host, refused := table.Match(&in)
	if refused != nil {
		fmt.Println(refused)
		return
	}
	if refused := route.RewritePath(&in); refused != nil {
		fmt.Println(refused)
		return
	}
	fmt.Println(host.Name, table.Clusters()[route.Target(in.Random).Cluster], string(h.Path()))
	// Output: shop api /v2/items?page=2
}

func ExampleCompile() {
	_, err := router.Compile(&router.Config{VirtualHosts: []router.VirtualHost{{
		Origin:  "routes.json:3:5",
		Domains: []string{"www.*.com"},
		Routes:  []router.Rule{{Origin: "routes.json:5:9", Match: router.Match{Prefix: "api"}, Cluster: "api"}},
	}}})
	fmt.Println(err)
	// Output:
	// routes.json:3:5: domains: "www.*.com": a star stands at the beginning, as in "*.example.com"
	// routes.json:5:9: match.prefix: "api" can't match: a path starts with /
}
