// The usual Go solution: httputil.ReverseProxy with client credentials of golang.org/x/oauth2.
//
//	goproxy PORT UPSTREAM_URL TOKEN_URL LEGAL_ENTITY API_VERSION [CA_FILE]
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

func main() {
	port, tokenURL, legalEntity, apiVersion := os.Args[1], os.Args[3], os.Args[4], os.Args[5]
	upstream, err := url.Parse(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	credentials := clientcredentials.Config{ClientID: "bench", ClientSecret: "bench", TokenURL: tokenURL}
	proxy := httputil.NewSingleHostReverseProxy(upstream)
	direct := proxy.Director
	proxy.Director = func(request *http.Request) {
		direct(request)
		request.Host = upstream.Host
		request.Header.Set("legal-entity", legalEntity)
		request.Header.Set("api-version", apiVersion)
	}
	proxy.Transport = &oauth2.Transport{Source: credentials.TokenSource(context.Background()), Base: transport(os.Args[6:])}
	log.Fatal(http.ListenAndServe("127.0.0.1:"+port, proxy))
}

// With the default of two idle connections per host, this would measure handshakes.
func transport(ca []string) *http.Transport {
	transport := &http.Transport{
		MaxIdleConns:        1024,
		MaxIdleConnsPerHost: 256,
		IdleConnTimeout:     90 * time.Second,
		DisableCompression:  true,
	}
	if len(ca) > 0 {
		pem, err := os.ReadFile(ca[0])
		if err != nil {
			log.Fatal(err)
		}
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(pem)
		transport.TLSClientConfig = &tls.Config{RootCAs: roots, ServerName: "localhost"}
	}
	return transport
}
