// A client of Kratos that finds the service in etcd, for the tests of src/fleet. Resolver, balancer and
// clients are Kratos' own. The reader of etcd below stands in for contrib/registry/etcd, which the module
// proxy does not have; it reads the keys as that does, and fails as that does when one value is no JSON.
//
//	kratos ENDPOINT NAME
//
// writes "ok …" for each call that has succeeded.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/go-kratos/kratos/v2/errors"
	"github.com/go-kratos/kratos/v2/log"
	"github.com/go-kratos/kratos/v2/registry"
	"github.com/go-kratos/kratos/v2/transport/grpc"
	"github.com/go-kratos/kratos/v2/transport/http"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/health/grpc_health_v1"
)

const limit = 20 * time.Second

type discovery struct{ client *clientv3.Client }

func (d discovery) GetService(ctx context.Context, name string) ([]*registry.ServiceInstance, error) {
	answer, err := d.client.Get(ctx, "/microservices/"+name, clientv3.WithPrefix())
	if err != nil {
		return nil, err
	}
	var found []*registry.ServiceInstance
	for _, kv := range answer.Kvs {
		instance := &registry.ServiceInstance{}
		if err := json.Unmarshal(kv.Value, instance); err != nil {
			return nil, err
		}
		if instance.Name == name {
			found = append(found, instance)
		}
	}
	return found, nil
}

func (d discovery) Watch(ctx context.Context, name string) (registry.Watcher, error) {
	inner, cancel := context.WithCancel(ctx)
	changes := d.client.Watch(inner, "/microservices/"+name, clientv3.WithPrefix())
	return &watcher{discovery: d, ctx: inner, cancel: cancel, name: name, changes: changes}, nil
}

type watcher struct {
	discovery
	ctx     context.Context
	cancel  context.CancelFunc
	name    string
	changes clientv3.WatchChan
	told    bool
}

func (w *watcher) Next() ([]*registry.ServiceInstance, error) {
	if w.told {
		select {
		case <-w.ctx.Done():
			return nil, w.ctx.Err()
		case <-w.changes:
		}
	}
	w.told = true
	return w.GetService(w.ctx, w.name)
}

func (w *watcher) Stop() error {
	w.cancel()
	return nil
}

func main() {
	log.SetLogger(log.NewFilter(log.DefaultLogger, log.FilterLevel(log.LevelError)))
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{os.Args[1]}, DialTimeout: limit})
	if err == nil {
		err = call(discovery{client}, "discovery:///"+os.Args[2])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func call(found discovery, target string) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	conn, err := grpc.DialInsecure(ctx, grpc.WithEndpoint(target), grpc.WithDiscovery(found), grpc.WithTimeout(limit))
	if err != nil {
		return err
	}
	health, err := grpc_health_v1.NewHealthClient(conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{})
	if err != nil {
		return fmt.Errorf("grpc: %w", err)
	}
	fmt.Println("ok grpc", health.Status)
	rest, err := http.NewClient(ctx, http.WithEndpoint(target), http.WithDiscovery(found), http.WithBlock(), http.WithTimeout(limit))
	if err != nil {
		return err
	}
	err = rest.Invoke(ctx, "GET", "/v1/users/1", nil, nil)
	if reason := errors.Reason(err); reason != "USER_NOT_FOUND" {
		return fmt.Errorf("http: %w", err)
	}
	fmt.Println("ok http USER_NOT_FOUND")
	return nil
}
