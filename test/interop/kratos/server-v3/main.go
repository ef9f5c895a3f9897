// Serves users over HTTP as a Kratos v3 service does, and messages that come back as they were read. The
// handlers do what protoc-gen-go-http writes for the rules. Prints its address; runs until it is killed.
package main

import (
	"context"
	"fmt"
	"log"

	"github.com/go-kratos/kratos/v3/errors"
	"github.com/go-kratos/kratos/v3/middleware/recovery"
	"github.com/go-kratos/kratos/v3/transport/http"

	"user-service/interop/gen/files"
	"user-service/interop/gen/rest"
	"user-service/interop/gen/user"
	"user-service/interop/serve"
)

func main() {
	server := http.NewServer(http.Address("127.0.0.1:0"), http.Middleware(recovery.Recovery()))
	users := serve.New(func(code int, reason, message string, metadata map[string]string) error {
		return errors.New(code, reason, message).WithMetadata(metadata)
	})
	routes := server.Route("/")
	routes.POST("/v1/users", handler(body[user.CreateUserRequest], users.Create))
	routes.GET("/v1/users", handler(query[user.ListUsersRequest], users.List))
	routes.GET("/v1/users/{id}", handler(query[user.GetUserRequest], users.Get))
	routes.PATCH("/v1/users/{id}", handler(userBody, users.Update))
	routes.DELETE("/v1/users/{id}", handler(query[user.DeleteUserRequest], users.Delete))
	routes.GET("/v1/rich", handler(query[rest.Rich], same))
	routes.POST("/v1/rich", handler(body[rest.Rich], same))
	routes.PUT("/v1/rich/{text}/child", handler(childBody, same))
	routes.GET("/v1/deep/{child.text}/{text:rooms/[^/]+/doors/.*}:open", handler(query[rest.Rich], same))
	routes.GET("/v1/part/child", handler(query[rest.Rich], child))
	routes.GET("/v1/down", down)
	endpoint, err := server.Endpoint()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(endpoint)
	log.Fatal(server.Start(context.Background()))
}

func handler[In, Out any](bind func(http.Context, *In) error, call func(context.Context, *In) (*Out, error)) http.HandlerFunc {
	return func(ctx http.Context) error {
		in := new(In)
		if err := bind(ctx, in); err != nil {
			return err
		}
		next := ctx.Middleware(func(ctx context.Context, in any) (any, error) { return call(ctx, in.(*In)) })
		out, err := next(ctx, in)
		if err != nil {
			return err
		}
		return ctx.Result(200, out)
	}
}

func query[In any](ctx http.Context, in *In) error {
	if err := ctx.BindQuery(in); err != nil {
		return err
	}
	return ctx.BindVars(in)
}

func body[In any](ctx http.Context, in *In) error {
	if err := ctx.Bind(in); err != nil {
		return err
	}
	return ctx.BindVars(in)
}

func userBody(ctx http.Context, in *user.UpdateUserRequest) error {
	if err := ctx.Bind(&in.User); err != nil {
		return err
	}
	return query(ctx, in)
}

func childBody(ctx http.Context, in *rest.Rich) error {
	if err := ctx.Bind(&in.Child); err != nil {
		return err
	}
	return query(ctx, in)
}

func same(_ context.Context, in *rest.Rich) (*rest.Rich, error) { return in, nil }

func child(_ context.Context, in *rest.Rich) (*rest.Child, error) { return in.Child, nil }

// down streams two messages; after them an error if the name is "broken", and only an error if it is "none".
func down(ctx http.Context) error {
	in := new(files.File)
	if err := query(ctx, in); err != nil {
		return err
	}
	stream := http.NewServerSentEventServerStream(ctx)
	if in.Name == "none" {
		return stream.Close(errors.NotFound("NO_FILE", "there is none"))
	}
	for number := range 2 {
		if err := stream.Send(&files.File{Name: fmt.Sprintf("%s %d", in.Name, number)}); err != nil {
			return err
		}
	}
	if in.Name == "broken" {
		return stream.Close(errors.ServiceUnavailable("STOPPING", "it stops"))
	}
	return stream.Close(nil)
}
