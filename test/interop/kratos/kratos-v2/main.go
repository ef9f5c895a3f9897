// Calls the service as Kratos v2 clients do: kratos-v2 HTTP_ADDR GRPC_ADDR [SECRET], each address
// host:port. With a secret the clients sign tokens by Kratos' middleware, and further ones are refused.
package main

import (
	"context"
	"log"
	"os"

	"github.com/go-kratos/kratos/v2/errors"
	"github.com/go-kratos/kratos/v2/middleware"
	"github.com/go-kratos/kratos/v2/transport/grpc"
	"github.com/go-kratos/kratos/v2/transport/http"
	"google.golang.org/protobuf/types/known/emptypb"

	"user-service/interop/check"
	"user-service/interop/gen/user"
)

func main() {
	ctx := context.Background()
	if len(os.Args) < 4 {
		check.All(read, dial(ctx)...)
		return
	}
	secret := os.Args[3]
	check.All(read, dial(ctx, signed(secret, all))...)
	refused(ctx, secret, func(m ...middleware.Middleware) []check.Users { return dial(ctx, m...) })
}

// dial gives a client of each transport, whose calls go through the middleware.
func dial(ctx context.Context, m ...middleware.Middleware) []check.Users {
	client, err := http.NewClient(ctx, http.WithEndpoint(os.Args[1]), http.WithTimeout(check.Limit), http.WithMiddleware(m...))
	if err != nil {
		log.Fatal(err)
	}
	conn, err := grpc.DialInsecure(ctx, grpc.WithEndpoint(os.Args[2]), grpc.WithTimeout(check.Limit), grpc.WithMiddleware(m...))
	if err != nil {
		log.Fatal(err)
	}
	return []check.Users{overHTTP(userHTTP{client}), overGRPC(user.NewUserClient(conn))}
}

func read(err error) check.Failure {
	e := errors.FromError(err)
	return check.Failure{Code: e.Code, Reason: e.Reason, Message: e.Message, Metadata: e.Metadata}
}

func overHTTP(c userHTTP) check.Users {
	return check.Users{
		Name: "kratos v2 over HTTP", Create: c.create, Get: c.get, List: c.list, Update: c.update, Delete: c.remove,
	}
}

func overGRPC(c user.UserClient) check.Users {
	return check.Users{
		Name: "kratos v2 over gRPC",
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
