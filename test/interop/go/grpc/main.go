// Calls the service by grpc-go: grpc FIRST SECOND METRICS, each host:port; METRICS is that of FIRST.
// It asks for SECOND to be stopped and started by lines, and reads a line when that is done.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	_ "google.golang.org/grpc/encoding/gzip"
	_ "google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/peer"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"

	"user-service/clients/check"
	"user-service/clients/gen/user"
)

const method = "grpc.health.v1.Health/Watch"

var (
	first, second, metrics = os.Args[1], os.Args[2], os.Args[3]
	input                  = bufio.NewScanner(os.Stdin)
)

func main() {
	check.That("a user is created, read, listed and deleted", life)
	check.That("an error has its status and its details", details)
	check.That("a gzipped request is read, and a long answer is gzipped", gzip)
	check.That("deadlines of 30 days and of 10 years are no deadlines of 0", long)
	check.That("the service ends a stream at its client's deadline by itself", endedByService)
	check.That("reflection lists the services", reflect)
	check.That("a channel is up by health checking, and not for a service without health", healthChecked)
	check.That("keepalive pings each 10 s leave connection and stream open", pinging)
	check.That("round_robin calls both instances, and no call fails while one stops and starts", roundRobin)
	check.End()
}

func connect(target string, options ...grpc.DialOption) *grpc.ClientConn {
	options = append(options, grpc.WithTransportCredentials(insecure.NewCredentials()))
	conn, err := grpc.NewClient(target, options...)
	if err != nil {
		panic(err)
	}
	return conn
}

func made(name string) *user.CreateUserRequest {
	return &user.CreateUserRequest{Name: name, Email: fmt.Sprintf("u%d@example.org", rand.Uint64())}
}

func life(ctx context.Context) error {
	conn := connect(first)
	defer conn.Close()
	users := user.NewUserClient(conn)
	one, err := users.CreateUser(ctx, made("life"))
	if err != nil {
		return err
	}
	got, err := users.GetUser(ctx, &user.GetUserRequest{Id: one.Id})
	if err != nil {
		return err
	}
	list, err := users.ListUsers(ctx, &user.ListUsersRequest{PageSize: 1})
	if err != nil {
		return err
	}
	if got.Name != "life" || len(list.Users) != 1 {
		return fmt.Errorf("the user is %v, the list %v", got, list)
	}
	_, err = users.DeleteUser(ctx, &user.DeleteUserRequest{Id: one.Id})
	return err
}

func details(ctx context.Context) error {
	conn := connect(first)
	defer conn.Close()
	_, err := user.NewUserClient(conn).CreateUser(ctx, made(" "))
	failure := status.Convert(err)
	if err := check.Same("the code", failure.Code(), codes.InvalidArgument); err != nil {
		return err
	}
	seen := ""
	for _, detail := range failure.Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			seen += detail.Reason
		case *errdetails.BadRequest:
			seen += " " + detail.FieldViolations[0].Field
		default:
			return fmt.Errorf("a detail is %v", detail)
		}
	}
	return check.Same("the details", seen, "INVALID_USER_INPUT name")
}

// sizes keeps the last message that came.
type sizes struct{ length, compressed int }

func (s *sizes) HandleRPC(_ context.Context, each stats.RPCStats) {
	if came, ok := each.(*stats.InPayload); ok {
		s.length, s.compressed = came.Length, came.CompressedLength
	}
}
func (*sizes) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context   { return ctx }
func (*sizes) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
func (*sizes) HandleConn(context.Context, stats.ConnStats)                       {}

func gzip(ctx context.Context) error {
	came := &sizes{}
	conn := connect(first, grpc.WithStatsHandler(came))
	defer conn.Close()
	users := user.NewUserClient(conn)
	for range 20 {
		one, err := users.CreateUser(ctx, made(strings.Repeat("z", 90)), grpc.UseCompressor("gzip"))
		if err != nil {
			return err
		}
		if len(one.Name) != 90 {
			return fmt.Errorf("the name is %q", one.Name)
		}
	}
	if _, err := users.ListUsers(ctx, &user.ListUsersRequest{}); err != nil {
		return err
	}
	if came.length < 1024 || came.compressed*2 > came.length {
		return fmt.Errorf("%d bytes came as %d", came.length, came.compressed)
	}
	return nil
}

func long(ctx context.Context) error {
	conn := connect(first)
	defer conn.Close()
	for _, days := range []time.Duration{30, 3650} {
		patient, cancel := context.WithTimeout(context.WithoutCancel(ctx), days*24*time.Hour)
		defer cancel()
		if _, err := user.NewUserClient(conn).ListUsers(patient, &user.ListUsersRequest{}); err != nil {
			return err
		}
		watch, err := grpc_health_v1.NewHealthClient(conn).Watch(patient, &grpc_health_v1.HealthCheckRequest{})
		if err != nil {
			return err
		}
		if _, err := watch.Recv(); err != nil {
			return err
		}
	}
	return nil
}

// endedByService cannot tell the service of its deadline's end, which it names at the beginning.
func endedByService(ctx context.Context) error {
	before, err := check.Counted(ctx, metrics, method, "DEADLINE_EXCEEDED")
	if err != nil {
		return err
	}
	watched := &wire{}
	conn := connect(first, grpc.WithContextDialer(watched.dial))
	defer conn.Close()
	brief, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
	defer cancel()
	watch, err := grpc_health_v1.NewHealthClient(conn).Watch(brief, &grpc_health_v1.HealthCheckRequest{})
	if err != nil {
		return err
	}
	if _, err := watch.Recv(); err != nil {
		return err
	}
	watched.muted.Store(true)
	if _, err := watch.Recv(); status.Code(err) != codes.DeadlineExceeded {
		return fmt.Errorf("the watch ended with %w", err)
	}
	return check.Until(ctx, func() error {
		count, err := check.Counted(ctx, metrics, method, "DEADLINE_EXCEEDED")
		if err != nil || count == before+1 {
			return err
		}
		return fmt.Errorf("the service counts %d deadlines after %d", count, before)
	})
}

func reflect(ctx context.Context) error {
	conn := connect(first)
	defer conn.Close()
	stream, err := reflectionv1.NewServerReflectionClient(conn).ServerReflectionInfo(ctx)
	if err != nil {
		return err
	}
	list := &reflectionv1.ServerReflectionRequest_ListServices{}
	if err := stream.Send(&reflectionv1.ServerReflectionRequest{MessageRequest: list}); err != nil {
		return err
	}
	answer, err := stream.Recv()
	if err != nil {
		return err
	}
	for _, service := range answer.GetListServicesResponse().GetService() {
		if service.Name == "api.user.v1.User" {
			return stream.CloseSend()
		}
	}
	return fmt.Errorf("the list is %v", answer)
}

func healthConfig(service string) grpc.DialOption {
	return grpc.WithDefaultServiceConfig(fmt.Sprintf(
		`{"loadBalancingConfig":[{"round_robin":{}}],"healthCheckConfig":{"serviceName":%q}}`, service))
}

func healthChecked(ctx context.Context) error {
	for service, right := range map[string]codes.Code{
		"": codes.OK, "api.user.v1.User": codes.OK, "none.Such": codes.Unavailable,
	} {
		conn := connect(first, healthConfig(service))
		defer conn.Close()
		_, err := user.NewUserClient(conn).ListUsers(ctx, &user.ListUsersRequest{})
		if err := check.Same(fmt.Sprintf("the code for %q", service), status.Code(err), right); err != nil {
			return err
		}
	}
	return nil
}

// ask has the second instance stopped or started.
func ask(what string) error {
	fmt.Println("ask: " + what)
	if !input.Scan() {
		return errors.New("there is nobody to ask")
	}
	return nil
}

// callUntil calls until `enough` says so of the number of calls by instance.
func callUntil(ctx context.Context, users user.UserClient, enough func(map[string]int) bool) error {
	calls := map[string]int{}
	for !enough(calls) {
		var from peer.Peer
		if _, err := users.ListUsers(ctx, &user.ListUsersRequest{}, grpc.Peer(&from)); err != nil {
			return fmt.Errorf("after %v: %w", calls, err)
		}
		calls[from.Addr.String()]++
	}
	return nil
}

func both(calls map[string]int) bool { return calls[first] > 20 && calls[second] > 20 }

func roundRobin(ctx context.Context) error {
	instances := manual.NewBuilderWithScheme("instances")
	instances.InitialState(resolver.State{Addresses: []resolver.Address{{Addr: first}, {Addr: second}}})
	conn := connect("instances:///users", grpc.WithResolvers(instances), healthConfig(""))
	defer conn.Close()
	users := user.NewUserClient(conn)
	if err := callUntil(ctx, users, both); err != nil {
		return err
	}
	for _, what := range []string{"stop", "start"} {
		done := make(chan error, 1)
		go func() { done <- ask(what) }()
		over := false
		err := callUntil(ctx, users, func(map[string]int) bool {
			select {
			case err := <-done:
				done <- err
				over = true
			default:
			}
			return over
		})
		if err != nil {
			return fmt.Errorf("during the %s: %w", what, err)
		}
		if err := <-done; err != nil {
			return err
		}
	}
	return callUntil(ctx, users, both)
}
