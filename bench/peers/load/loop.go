package main

import (
	"slices"
	"sync"
	"time"
)

// call makes one call and waits for its answer.
type call func() error

// result is of the measured calls; the latencies are in ms, of those that did not fail.
type result struct {
	Requests int     `json:"requests"`
	Us       int64   `json:"us"`
	P50      float64 `json:"p50"`
	P99      float64 `json:"p99"`
	Failed   int     `json:"failed"`
	Error    string  `json:"error"`
}

type tally struct {
	took   []time.Duration
	failed int
	err    error
}

func (t *tally) add(took time.Duration, err error) {
	if err != nil {
		t.failed++
		t.err = err
		return
	}
	t.took = append(t.took, took)
}

func sum(tallies []tally, elapsed time.Duration) result {
	var all []time.Duration
	r := result{Us: elapsed.Microseconds()}
	for _, t := range tallies {
		all = append(all, t.took...)
		r.Failed += t.failed
		if t.err != nil {
			r.Error = t.err.Error()
		}
	}
	slices.Sort(all)
	r.Requests = len(all) + r.Failed
	if n := len(all); n > 0 {
		r.P50 = all[n/2].Seconds() * 1000
		r.P99 = all[min(n-1, n*99/100)].Seconds() * 1000
	}
	return r
}

// closed lets each caller call again as soon as it has its answer.
func closed(calls []call, seconds float64) result {
	tallies := make([]tally, len(calls))
	var wg sync.WaitGroup
	begin := time.Now()
	end := begin.Add(time.Duration(seconds * float64(time.Second)))
	for i, c := range calls {
		wg.Go(func() {
			for now := time.Now(); now.Before(end); now = time.Now() {
				err := c()
				tallies[i].add(time.Since(now), err)
			}
		})
	}
	wg.Wait()
	return sum(tallies, time.Since(begin))
}

// open starts calls by the clock and measures each from when it was due, as wrk2 does, so that a service
// which makes its clients wait cannot look quick.
func open(calls []call, seconds, rate float64) result {
	tallies := make([]tally, len(calls))
	due := make(chan time.Time, 1<<20)
	var wg sync.WaitGroup
	for i, c := range calls {
		wg.Go(func() {
			for at := range due {
				err := c()
				tallies[i].add(time.Since(at), err)
			}
		})
	}
	begin := time.Now()
	end := begin.Add(time.Duration(seconds * float64(time.Second)))
	gap := time.Duration(float64(time.Second) / rate)
	for at := begin; at.Before(end); at = at.Add(gap) {
		if wait := time.Until(at); wait > 0 {
			time.Sleep(wait)
		}
		due <- at
	}
	close(due)
	wg.Wait()
	return sum(tallies, time.Since(begin))
}
