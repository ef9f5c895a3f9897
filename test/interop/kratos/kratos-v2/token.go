package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/go-kratos/kratos/v2/middleware"
	authjwt "github.com/go-kratos/kratos/v2/middleware/auth/jwt"
	"github.com/golang-jwt/jwt/v5"

	"user-service/interop/check"
	"user-service/interop/gen/user"
)

// signed is the middleware of a client that signs its tokens by a shared secret.
func signed(secret string, claims jwt.Claims) middleware.Middleware {
	key := func(*jwt.Token) (any, error) { return []byte(secret), nil }
	return authjwt.Client(key, authjwt.WithClaims(func() jwt.Claims { return claims }))
}

// all lets a walk through the calls do everything.
var all = jwt.MapClaims{"sub": "kratos", "scope": "users:read users:write"}

// refused are clients that must not be let in, each with the code and reason that it must be told.
func refused(ctx context.Context, secret string, dial func(...middleware.Middleware) []check.Users) {
	past := jwt.MapClaims{"sub": "kratos", "scope": "users:read", "exp": time.Now().Add(-time.Hour).Unix()}
	lacking := jwt.MapClaims{"sub": "kratos", "scope": "users:write"}
	cases := []struct {
		title  string
		client []check.Users
		code   int32
		reason string
	}{
		{"no token", dial(), 401, "UNAUTHORIZED"},
		{"another secret", dial(signed("of-thirty-two-characters-or-more", all)), 401, "UNAUTHORIZED"},
		{"an expired token", dial(signed(secret, past)), 401, "UNAUTHORIZED"},
		{"another scope", dial(signed(secret, lacking)), 403, "FORBIDDEN"},
	}
	for _, c := range cases {
		for _, users := range c.client {
			_, err := users.List(ctx, &user.ListUsersRequest{})
			if got := read(err); err == nil || got.Code != c.code || got.Reason != c.reason {
				fmt.Printf("FAIL %s: %s: %v\n", users.Name, c.title, err)
				os.Exit(1)
			}
			fmt.Printf("ok   %s: %s is told %d %s\n", users.Name, c.title, c.code, c.reason)
		}
	}
}
