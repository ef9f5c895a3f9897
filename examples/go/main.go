// Creates, reads, watches and deletes a user at the address given: main http://localhost:9000.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"

	userv1 "example.org/users/gen/api/user/v1"
	"example.org/users/gen/api/user/v1/userv1connect"
)

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: main http://localhost:9000")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	// Without WithGRPC the client speaks Connect.
	users := userv1connect.NewUserClient(http2Client(), os.Args[1], connect.WithGRPC())
	if err := life(ctx, users); err != nil {
		log.Fatal(err)
	}
}

// http2Client speaks HTTP/2 without TLS, as gRPC needs it.
func http2Client() *http.Client {
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Client{Transport: &http.Transport{Protocols: protocols}}
}

func life(ctx context.Context, users userv1connect.UserClient) error {
	made, err := users.CreateUser(ctx, connect.NewRequest(&userv1.CreateUserRequest{
		Name: "Ada", Email: "ada@example.com",
	}))
	if err != nil {
		return err
	}
	id := made.Msg.GetId()
	user, err := users.GetUser(ctx, connect.NewRequest(&userv1.GetUserRequest{Id: id}))
	if err != nil {
		return err
	}
	fmt.Println("got", user.Msg.GetId(), user.Msg.GetName(), user.Msg.GetEmail())
	if err := watch(ctx, users); err != nil {
		return err
	}
	if _, err := users.DeleteUser(ctx, connect.NewRequest(&userv1.DeleteUserRequest{Id: id})); err != nil {
		return err
	}
	_, err = users.GetUser(ctx, connect.NewRequest(&userv1.GetUserRequest{Id: id}))
	fmt.Println("refused", connect.CodeOf(err), reasonOf(err))
	return nil
}

// watch prints the users that are there, and leaves the stream where changes would follow.
func watch(ctx context.Context, users userv1connect.UserClient) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := users.WatchUsers(ctx, connect.NewRequest(&userv1.WatchUsersRequest{Snapshot: true}))
	if err != nil {
		return err
	}
	for stream.Receive() {
		event := stream.Msg()
		fmt.Println("watched", event.GetKind(), event.GetId())
		if event.GetKind() == userv1.UserEvent_SYNCED {
			return nil
		}
	}
	return stream.Err()
}

// reasonOf gives the reason of a refusal; empty if the service gave none.
func reasonOf(err error) string {
	var refusal *connect.Error
	if !errors.As(err, &refusal) {
		return ""
	}
	for _, detail := range refusal.Details() {
		message, err := detail.Value()
		if info, ok := message.(*errdetails.ErrorInfo); err == nil && ok {
			return info.GetReason()
		}
	}
	return ""
}
