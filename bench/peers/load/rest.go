package main

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
)

// overREST gives callers with a connection each. They write requests as text, since net/http's client
// would take more of the core than the cheapest servers under test.
func overREST() []call {
	var calls []call
	for worker := range callers {
		c := connection{}
		i := 0
		calls = append(calls, func() error {
			i++
			return c.exchange(request(worker, i))
		})
	}
	return calls
}

// request is a whole request of HTTP/1.1.
func request(worker, i int) string {
	switch *kind {
	case "get":
		return get(fmt.Sprintf("/v1/users/%d", 1+rand.Int64N(*users)))
	case "create":
		body := fmt.Sprintf(`{"name":"Ada Lovelace","email":"h%s-%d-%d@example.org","phone":"+44 20 7946"}`, *run, worker, i)
		return fmt.Sprintf("POST /v1/users HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", *addr, len(body), body)
	default:
		return get("/v1/users?page=1&page_size=20")
	}
}

func get(path string) string {
	return "GET " + path + " HTTP/1.1\r\nHost: " + *addr + "\r\n\r\n"
}

// connection opens itself, and again after a failure or when the server closes it.
type connection struct {
	conn   net.Conn
	reader *bufio.Reader
}

func (c *connection) exchange(request string) error {
	if c.conn == nil {
		conn, err := net.Dial("tcp", *addr)
		if err != nil {
			return err
		}
		c.conn, c.reader = conn, bufio.NewReader(conn)
	}
	closes, err := c.roundTrip(request)
	if closes {
		c.conn.Close()
		c.conn = nil
	}
	return err
}

// roundTrip tells whether the connection is of no more use.
func (c *connection) roundTrip(request string) (bool, error) {
	if _, err := io.WriteString(c.conn, request); err != nil {
		return true, err
	}
	res, err := http.ReadResponse(c.reader, nil)
	if err != nil {
		return true, err
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return true, err
	}
	if res.StatusCode != 200 {
		err = fmt.Errorf("status %d", res.StatusCode)
	}
	return res.Close, err
}
