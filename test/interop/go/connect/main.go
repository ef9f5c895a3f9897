// Calls the service by connect-go: connect GRPC_ADDR METRICS_ADDR, each host:port.
package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/health/grpc_health_v1"

	"user-service/clients/check"
)

const day = 24 * time.Hour

func main() {
	address, metrics := os.Args[1], os.Args[2]
	for _, kind := range kinds() {
		c := newClient(address, kind)
		check.That(kind.name+": a user is created, read, changed, listed and deleted", c.life)
		check.That(kind.name+": an error has its code and its details", c.details)
		check.That(kind.name+": a gzipped request is read, and a long answer is gzipped", c.gzip)
		check.That(kind.name+": deadlines of 30, 100 and 3650 days are no deadlines of 0", c.long)
		check.That(kind.name+": a health watch begins with SERVING and ends at its deadline", c.watch)
	}
	for _, kind := range []kind{{name: "Connect GET", json: true}, {name: "Connect GET in binary", http2: true}} {
		kind.options = append(kind.options, connect.WithHTTPGet())
		c := newClient(address, kind)
		check.That(kind.name+": calls without side effects are made by GET", c.byGet)
	}
	check.That("the service ends a call at its client's deadline by itself", func(ctx context.Context) error {
		return endedByService(ctx, newClient(address, kind{http2: true}), metrics)
	})
	check.End()
}

// kind is a protocol in one encoding over one version of HTTP.
type kind struct {
	name        string
	json, http2 bool
	options     []connect.ClientOption
}

func kinds() []kind {
	var all []kind
	protocols := map[string][]connect.ClientOption{
		"Connect": nil, "gRPC": {connect.WithGRPC()}, "gRPC-Web": {connect.WithGRPCWeb()},
	}
	for _, protocol := range []string{"Connect", "gRPC", "gRPC-Web"} {
		for _, json := range []bool{false, true} {
			for _, http2 := range []bool{false, true} {
				if protocol == "gRPC" && !http2 {
					continue
				}
				name := fmt.Sprintf("%s (JSON %t, HTTP/2 %t)", protocol, json, http2)
				all = append(all, kind{name, json, http2, protocols[protocol]})
			}
		}
	}
	return all
}

// recorder keeps the last request and the header of its answer.
type recorder struct {
	next   http.RoundTripper
	method string
	sent   http.Header
	got    http.Header
}

func (r *recorder) RoundTrip(request *http.Request) (*http.Response, error) {
	r.method, r.sent = request.Method, request.Header.Clone()
	response, err := r.next.RoundTrip(request)
	if err == nil {
		r.got = response.Header.Clone()
	}
	return response, err
}

func newTransport(http2 bool) *http.Transport {
	protocols := &http.Protocols{}
	protocols.SetHTTP1(!http2)
	protocols.SetUnencryptedHTTP2(http2)
	// Else Go asks for gzip by itself and takes the field from the answer.
	return &http.Transport{Protocols: protocols, DisableCompression: true}
}

// expect compares the code and reads the details of an error.
func expect(err error, code connect.Code, reason string) error {
	var failure *connect.Error
	if !errors.As(err, &failure) {
		return fmt.Errorf("there is no error of Connect but %v", err)
	}
	if failure.Code() != code {
		return fmt.Errorf("the code is %v, right is %v: %w", failure.Code(), code, err)
	}
	for _, detail := range failure.Details() {
		value, err := detail.Value()
		if err != nil {
			return err
		}
		if info, ok := value.(*errdetails.ErrorInfo); ok {
			return check.Same("the reason", info.Reason, reason)
		}
	}
	return fmt.Errorf("there is no ErrorInfo in %w", err)
}

func (c *client) watch(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	stream, err := c.watching.CallServerStream(ctx, connect.NewRequest(&grpc_health_v1.HealthCheckRequest{}))
	if err != nil {
		return err
	}
	defer stream.Close()
	if !stream.Receive() {
		return fmt.Errorf("no message has come: %w", stream.Err())
	}
	status := stream.Msg().Status
	if status != grpc_health_v1.HealthCheckResponse_SERVING {
		return fmt.Errorf("the health is %v", status)
	}
	if stream.Receive() {
		return fmt.Errorf("a second message has come: %v", stream.Msg())
	}
	return check.Same("the code", connect.CodeOf(stream.Err()), connect.CodeDeadlineExceeded)
}

// endedByService names a deadline that the client does not keep itself.
func endedByService(ctx context.Context, c *client, metrics string) error {
	request := connect.NewRequest(&grpc_health_v1.HealthCheckRequest{})
	request.Header().Set("Connect-Timeout-Ms", "200")
	stream, err := c.watching.CallServerStream(context.WithoutCancel(ctx), request)
	if err != nil {
		return err
	}
	defer stream.Close()
	for stream.Receive() {
	}
	if err := expect(stream.Err(), connect.CodeDeadlineExceeded, "DEADLINE_EXCEEDED"); err != nil {
		return err
	}
	return check.Until(ctx, func() error {
		count, err := check.Counted(ctx, metrics, "grpc.health.v1.Health/Watch", "DEADLINE_EXCEEDED")
		if err != nil || count > 0 {
			return err
		}
		return errors.New("the metrics count no deadline")
	})
}

func (c *client) byGet(ctx context.Context) error {
	made, err := c.make(ctx, "get")
	if err != nil {
		return err
	}
	if err := check.Same("the method of a create", c.seen.method, http.MethodPost); err != nil {
		return err
	}
	if _, err := c.find(ctx, made.Id); err != nil {
		return err
	}
	if err := check.Same("the method of a read", c.seen.method, http.MethodGet); err != nil {
		return err
	}
	if !strings.Contains(strings.Join(c.seen.got.Values("Vary"), ","), "Accept-Encoding") {
		return fmt.Errorf("Vary is %v", c.seen.got.Values("Vary"))
	}
	_, err = c.find(ctx, 1<<53+1)
	return expect(err, connect.CodeNotFound, "USER_NOT_FOUND")
}
