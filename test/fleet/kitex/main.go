// A client of Kitex that finds the service in etcd, for `npm run verify -- kitex`. Client, balancer and
// gRPC are Kitex' own. The resolver below stands in for kitex-contrib/registry-etcd, which the module proxy
// does not have; it reads the keys as that does.
//
//	kitex ENDPOINT NAME
//
// writes "ok …" for each call that has succeeded, and the addresses that the calls have gone to.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/cloudwego/kitex/client"
	"github.com/cloudwego/kitex/pkg/discovery"
	"github.com/cloudwego/kitex/pkg/endpoint"
	"github.com/cloudwego/kitex/pkg/rpcinfo"
	"github.com/cloudwego/kitex/pkg/serviceinfo"
	"github.com/cloudwego/kitex/transport"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/health/grpc_health_v1"
)

const limit = 20 * time.Second

// What a value of registry-etcd holds.
type instance struct {
	Network string            `json:"network"`
	Address string            `json:"address"`
	Weight  int               `json:"weight"`
	Tags    map[string]string `json:"tags"`
}

type resolver struct{ client *clientv3.Client }

func (r resolver) Name() string { return "etcd" }

func (r resolver) Target(_ context.Context, target rpcinfo.EndpointInfo) string {
	return target.ServiceName()
}

func (r resolver) Resolve(ctx context.Context, name string) (discovery.Result, error) {
	answer, err := r.client.Get(ctx, "kitex/registry-etcd/"+name+"/", clientv3.WithPrefix())
	if err != nil {
		return discovery.Result{}, err
	}
	result := discovery.Result{Cacheable: true, CacheKey: name}
	for _, kv := range answer.Kvs {
		var found instance
		if err := json.Unmarshal(kv.Value, &found); err != nil {
			return discovery.Result{}, err
		}
		made := discovery.NewInstance(found.Network, found.Address, found.Weight, found.Tags)
		result.Instances = append(result.Instances, made)
	}
	return result, nil
}

func (r resolver) Diff(key string, prev, next discovery.Result) (discovery.Change, bool) {
	return discovery.DefaultDiff(key, prev, next)
}

// The health service of every gRPC server; its messages are what Kitex encodes.
func service() *serviceinfo.ServiceInfo {
	check := serviceinfo.NewMethodInfo(nil,
		func() any { return &grpc_health_v1.HealthCheckRequest{} },
		func() any { return &grpc_health_v1.HealthCheckResponse{} },
		false, serviceinfo.WithStreamingMode(serviceinfo.StreamingUnary))
	return &serviceinfo.ServiceInfo{
		ServiceName:  "Health",
		PayloadCodec: serviceinfo.Protobuf,
		Methods:      map[string]serviceinfo.MethodInfo{"Check": check},
		Extra:        map[string]any{"PackageName": "grpc.health.v1"},
	}
}

func main() {
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(endpoint, name string) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	etcd, err := clientv3.New(clientv3.Config{Endpoints: []string{endpoint}, DialTimeout: limit})
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	kitex, err := client.NewClient(service(),
		client.WithDestService(name),
		client.WithResolver(resolver{etcd}),
		client.WithTransportProtocol(transport.GRPC),
		client.WithRPCTimeout(limit),
		client.WithMiddleware(noting(seen)))
	if err != nil {
		return err
	}
	for range 20 {
		answer := &grpc_health_v1.HealthCheckResponse{}
		if err := kitex.Call(ctx, "Check", &grpc_health_v1.HealthCheckRequest{}, answer); err != nil {
			return err
		}
		fmt.Println("ok", answer.Status)
	}
	var addresses []string
	for address := range seen {
		addresses = append(addresses, address)
	}
	slices.Sort(addresses)
	line, _ := json.Marshal(addresses)
	fmt.Println(string(line))
	unknown := &grpc_health_v1.HealthCheckRequest{Service: "no.such.Service"}
	fmt.Println(kitex.Call(ctx, "Check", unknown, &grpc_health_v1.HealthCheckResponse{}))
	return nil
}

// Notes the address of each call.
func noting(seen map[string]bool) endpoint.Middleware {
	return func(next endpoint.Endpoint) endpoint.Endpoint {
		return func(ctx context.Context, req, resp any) error {
			err := next(ctx, req, resp)
			seen[rpcinfo.GetRPCInfo(ctx).To().Address().String()] = true
			return err
		}
	}
}
