package module

import (
	"fmt"

	"go.k6.io/k6/v2/js/common"
)

// The numbers of k6's global events. Their type is internal to k6, so they are
// known by value and their names are asserted when the run subscribes.
const (
	eventTestStart = 2
	eventTestEnd   = 3
	eventExit      = 6
)

// subscribe runs the handlers of the run on k6's global events. Every event is
// answered, as k6 waits for that; the handlers return before it is.
func subscribe(events common.Events, handlers map[string]func()) error {
	if events.Global == nil {
		return nil // a runtime without events, as in module tests
	}
	if err := assertNames(events.Global.Subscribe); err != nil {
		return err
	}
	_, ch := events.Global.Subscribe(eventTestStart, eventTestEnd, eventExit)
	go func() {
		for event := range ch {
			if handler := handlers[event.Type.String()]; handler != nil {
				handler()
			}
			if event.Done != nil {
				event.Done()
			}
		}
	}()
	return nil
}

// assertNames fails when k6 has renumbered its events.
func assertNames[T interface {
	~uint8
	fmt.Stringer
}, E any](func(...T) (uint64, <-chan E)) error {
	for number, name := range map[T]string{
		eventTestStart: "TestStart", eventTestEnd: "TestEnd", eventExit: "Exit",
	} {
		if number.String() != name {
			return fmt.Errorf("this version of k6 calls event %d %q where %q was expected: "+
				"use the k6 version that the extension's go.mod names", uint8(number), number, name)
		}
	}
	return nil
}

// The numbers of k6's events of one VU.
const (
	eventIterStart = 4
	eventIterEnd   = 5
)

// onIteration calls the functions around every iteration of a VU. The VU waits
// meanwhile, so they run as if on its own thread. Either may be nil.
func onIteration(events common.Events, start, end func()) {
	if events.Local == nil {
		return // a runtime without events, as in module tests
	}
	_, ch := events.Local.Subscribe(eventIterStart, eventIterEnd)
	go func() {
		for event := range ch {
			switch {
			case event.Type == eventIterStart && start != nil:
				start()
			case event.Type == eventIterEnd && end != nil:
				end()
			}
			event.Done()
		}
	}()
}
