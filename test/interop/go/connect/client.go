package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"user-service/clients/check"
	"user-service/clients/gen/user"
)

type call[Request, Reply any] = connect.Client[Request, Reply]

// client makes the calls that protoc-gen-connect-go writes.
type client struct {
	kind     kind
	seen     *recorder
	creating *call[user.CreateUserRequest, user.CreateUserReply]
	getting  *call[user.GetUserRequest, user.GetUserReply]
	listing  *call[user.ListUsersRequest, user.ListUsersReply]
	updating *call[user.UpdateUserRequest, user.GetUserReply]
	deleting *call[user.DeleteUserRequest, emptypb.Empty]
	watching *call[grpc_health_v1.HealthCheckRequest, grpc_health_v1.HealthCheckResponse]
	zipped   *call[user.CreateUserRequest, user.CreateUserReply]
}

func newClient(address string, kind kind) *client {
	seen := &recorder{next: newTransport(kind.http2)}
	sender := &http.Client{Transport: seen}
	options := connect.WithClientOptions(kind.options...)
	if kind.json {
		options = connect.WithClientOptions(options, connect.WithProtoJSON())
	}
	users := "http://" + address + "/api.user.v1.User/"
	safe := connect.WithClientOptions(options, connect.WithIdempotency(connect.IdempotencyNoSideEffects))
	zipping := connect.WithClientOptions(options, connect.WithSendGzip())
	return &client{
		kind:     kind,
		seen:     seen,
		creating: connect.NewClient[user.CreateUserRequest, user.CreateUserReply](sender, users+"CreateUser", options),
		getting:  connect.NewClient[user.GetUserRequest, user.GetUserReply](sender, users+"GetUser", safe),
		listing:  connect.NewClient[user.ListUsersRequest, user.ListUsersReply](sender, users+"ListUsers", safe),
		updating: connect.NewClient[user.UpdateUserRequest, user.GetUserReply](sender, users+"UpdateUser", options),
		deleting: connect.NewClient[user.DeleteUserRequest, emptypb.Empty](sender, users+"DeleteUser", options),
		watching: connect.NewClient[grpc_health_v1.HealthCheckRequest, grpc_health_v1.HealthCheckResponse](
			sender, "http://"+address+"/grpc.health.v1.Health/Watch", options),
		zipped: connect.NewClient[user.CreateUserRequest, user.CreateUserReply](sender, users+"CreateUser", zipping),
	}
}

func (c *client) request(name string) *connect.Request[user.CreateUserRequest] {
	number := time.Now().UnixNano()
	return connect.NewRequest(&user.CreateUserRequest{Name: name, Email: fmt.Sprintf("u%d@example.org", number)})
}

func (c *client) make(ctx context.Context, name string) (*user.CreateUserReply, error) {
	reply, err := c.creating.CallUnary(ctx, c.request(name))
	if err != nil {
		return nil, err
	}
	return reply.Msg, nil
}

func (c *client) find(ctx context.Context, id int64) (*user.GetUserReply, error) {
	reply, err := c.getting.CallUnary(ctx, connect.NewRequest(&user.GetUserRequest{Id: id}))
	if err != nil {
		return nil, err
	}
	return reply.Msg, nil
}

func (c *client) life(ctx context.Context) error {
	made, err := c.make(ctx, "life")
	if err != nil {
		return err
	}
	name := "changed"
	changed, err := c.updating.CallUnary(ctx, connect.NewRequest(&user.UpdateUserRequest{
		Id: made.Id, User: &user.UserFields{Name: &name}, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"name"}},
	}))
	if err != nil {
		return err
	}
	got, err := c.find(ctx, made.Id)
	if err != nil {
		return err
	}
	if got.Name != name || changed.Msg.Name != name || got.Email != made.Email {
		return fmt.Errorf("the user is %v", got)
	}
	list, err := c.listing.CallUnary(ctx, connect.NewRequest(&user.ListUsersRequest{PageSize: 1}))
	if err != nil {
		return err
	}
	if len(list.Msg.Users) != 1 || list.Msg.Total < 1 {
		return fmt.Errorf("the list is %v", list.Msg)
	}
	if _, err := c.deleting.CallUnary(ctx, connect.NewRequest(&user.DeleteUserRequest{Id: made.Id})); err != nil {
		return err
	}
	_, err = c.find(ctx, made.Id)
	return expect(err, connect.CodeNotFound, "USER_NOT_FOUND")
}

func (c *client) details(ctx context.Context) error {
	request := c.request("details")
	if _, err := c.creating.CallUnary(ctx, request); err != nil {
		return err
	}
	_, err := c.creating.CallUnary(ctx, connect.NewRequest(request.Msg))
	if err := expect(err, connect.CodeAlreadyExists, "USER_ALREADY_EXISTS"); err != nil {
		return err
	}
	_, err = c.make(ctx, " ")
	return expect(err, connect.CodeInvalidArgument, "INVALID_USER_INPUT")
}

// encodings are the fields that name the compression of a message.
var encodings = []string{"Content-Encoding", "Grpc-Encoding", "Connect-Content-Encoding"}

func compressed(header http.Header) bool {
	for _, name := range encodings {
		if header.Get(name) == "gzip" {
			return true
		}
	}
	return false
}

func (c *client) gzip(ctx context.Context) error {
	for range 20 {
		made, err := c.zipped.CallUnary(ctx, c.request(strings.Repeat("z", 90)))
		if err != nil {
			return err
		}
		if len(made.Msg.Name) != 90 || !compressed(c.seen.sent) {
			return fmt.Errorf("%v was sent with %v", made.Msg, c.seen.sent)
		}
	}
	list, err := c.listing.CallUnary(ctx, connect.NewRequest(&user.ListUsersRequest{}))
	if err != nil {
		return err
	}
	if !compressed(c.seen.got) {
		return fmt.Errorf("the answer has %v", c.seen.got)
	}
	return check.Same("the length of the list", len(list.Msg.Users), 20)
}

func (c *client) long(ctx context.Context) error {
	for _, days := range []time.Duration{30, 100, 3650} {
		// Not of ctx, whose own deadline is nearer.
		patient, cancel := context.WithTimeout(context.WithoutCancel(ctx), days*day)
		defer cancel()
		if _, err := c.listing.CallUnary(patient, connect.NewRequest(&user.ListUsersRequest{})); err != nil {
			return fmt.Errorf("%d days: %w", days, err)
		}
		stream, err := c.watching.CallServerStream(patient, connect.NewRequest(&grpc_health_v1.HealthCheckRequest{}))
		if err != nil {
			return fmt.Errorf("%d days of a stream: %w", days, err)
		}
		if !stream.Receive() {
			return fmt.Errorf("%d days of a stream: %w", days, stream.Err())
		}
		cancel()
		stream.Close()
	}
	return nil
}
