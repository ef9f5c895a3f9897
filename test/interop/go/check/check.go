// Package check runs checks one after the other and says which of them failed.
package check

import (
	"context"
	"fmt"
	"os"
	"time"
)

// Most is what one check may take.
const Most = 2 * time.Minute

var failed int

// That runs a check and prints a line about it.
func That(title string, run func(context.Context) error) {
	ctx, cancel := context.WithTimeout(context.Background(), Most)
	defer cancel()
	if err := run(ctx); err != nil {
		failed++
		fmt.Printf("FAILED %s: %v\n", title, err)
		return
	}
	fmt.Printf("ok %s\n", title)
}

// End ends the process, with 1 if a check failed.
func End() {
	if failed > 0 {
		os.Exit(1)
	}
}

// Same compares two values.
func Same[T comparable](what string, got, right T) error {
	if got != right {
		return fmt.Errorf("%s is %v, right is %v", what, got, right)
	}
	return nil
}

// Until asks again until there is no error or the context ends.
func Until(ctx context.Context, ask func() error) error {
	for {
		err := ask()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(100 * time.Millisecond):
		}
	}
}
