// Calls the service as Kratos v3 clients do: kratos-v3 HTTP_ADDR GRPC_ADDR, each host:port.
package main

import (
	"context"
	"log"
	"os"

	"github.com/go-kratos/kratos/v3/errors"
	"github.com/go-kratos/kratos/v3/transport/grpc"
	"github.com/go-kratos/kratos/v3/transport/http"
	"google.golang.org/protobuf/types/known/emptypb"

	"user-service/interop/check"
	"user-service/interop/gen/user"
)

func main() {
	ctx := context.Background()
	client, err := http.NewClient(ctx, http.WithEndpoint(os.Args[1]), http.WithTimeout(check.Limit))
	if err != nil {
		log.Fatal(err)
	}
	conn, err := grpc.NewClient(ctx, grpc.WithEndpoint(os.Args[2]), grpc.WithTimeout(check.Limit))
	if err != nil {
		log.Fatal(err)
	}
	check.All(read, overHTTP(userHTTP{client}), overGRPC(user.NewUserClient(conn)))
}

func read(err error) check.Failure {
	e := errors.FromError(err)
	return check.Failure{Code: e.Code, Reason: e.Reason, Message: e.Message, Metadata: e.Metadata}
}

func overHTTP(c userHTTP) check.Users {
	return check.Users{
		Name: "kratos v3 over HTTP", Create: c.create, Get: c.get, List: c.list, Update: c.update, Delete: c.remove,
	}
}

func overGRPC(c user.UserClient) check.Users {
	return check.Users{
		Name: "kratos v3 over gRPC",
		Create: func(ctx context.Context, in *user.CreateUserRequest) (*user.CreateUserReply, error) {
			return c.CreateUser(ctx, in)
		},
		Get: func(ctx context.Context, in *user.GetUserRequest) (*user.GetUserReply, error) {
			return c.GetUser(ctx, in)
		},
		List: func(ctx context.Context, in *user.ListUsersRequest) (*user.ListUsersReply, error) {
			return c.ListUsers(ctx, in)
		},
		Update: func(ctx context.Context, in *user.UpdateUserRequest) (*user.GetUserReply, error) {
			return c.UpdateUser(ctx, in)
		},
		Delete: func(ctx context.Context, in *user.DeleteUserRequest) (*emptypb.Empty, error) {
			return c.DeleteUser(ctx, in)
		},
	}
}
