// The steps of test/peers/README.md with nats.go.
package main

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	messageCount = 1000
	prefix       = "nats_go"
	timeout      = 10 * time.Second
)

func assertEqual(actual, expected any, what string) error {
	if !reflect.DeepEqual(actual, expected) {
		return fmt.Errorf("%s: %v, expected %v", what, actual, expected)
	}
	return nil
}

func publish(connection *nats.Conn) error {
	subscription, err := connection.SubscribeSync(prefix + ".pub.*")
	if err != nil {
		return err
	}
	defer subscription.Unsubscribe()
	for index := range messageCount {
		subject := fmt.Sprintf("%s.pub.%d", prefix, index%10)
		if err := connection.Publish(subject, []byte(strconv.Itoa(index))); err != nil {
			return err
		}
	}
	for index := range messageCount {
		message, err := subscription.NextMsg(timeout)
		if err != nil {
			return err
		}
		if err := assertEqual(string(message.Data), strconv.Itoa(index), "next message"); err != nil {
			return err
		}
	}
	return nil
}

func request(connection *nats.Conn) error {
	_, err := connection.Subscribe(prefix+".echo", func(message *nats.Msg) {
		message.Respond(append([]byte("re: "), message.Data...))
	})
	if err != nil {
		return err
	}
	reply, err := connection.Request(prefix+".echo", []byte("hello"), timeout)
	if err != nil {
		return err
	}
	if _, err := connection.Request(prefix+".nobody", nil, timeout); !errors.Is(err, nats.ErrNoResponders) {
		return fmt.Errorf("request to nobody ended with %v", err)
	}
	return assertEqual(string(reply.Data), "re: hello", "reply")
}

func queue(connection *nats.Conn) error {
	subject := prefix + ".queue"
	var memberCount, plainCount atomic.Int32
	done := make(chan struct{}, 2*messageCount)
	count := func(counter *atomic.Int32) nats.MsgHandler {
		return func(*nats.Msg) {
			counter.Add(1)
			done <- struct{}{}
		}
	}
	for range 3 {
		if _, err := connection.QueueSubscribe(subject, "workers", count(&memberCount)); err != nil {
			return err
		}
	}
	if _, err := connection.Subscribe(subject, count(&plainCount)); err != nil {
		return err
	}
	for range messageCount {
		if err := connection.Publish(subject, nil); err != nil {
			return err
		}
	}
	if err := connection.Flush(); err != nil {
		return err
	}
	for range 2 * messageCount {
		select {
		case <-done:
		case <-time.After(timeout):
			return fmt.Errorf("%d to the group and %d to the plain one", memberCount.Load(), plainCount.Load())
		}
	}
	return assertEqual(memberCount.Load(), int32(messageCount), "messages to the group")
}

func headers(connection *nats.Conn) error {
	subscription, err := connection.SubscribeSync(prefix + ".headers")
	if err != nil {
		return err
	}
	defer subscription.Unsubscribe()
	message := nats.NewMsg(prefix + ".headers")
	message.Header = nats.Header{"Midge": {"a", "b: c"}, "Other": {""}}
	message.Data = []byte("body")
	if err := connection.PublishMsg(message); err != nil {
		return err
	}
	received, err := subscription.NextMsg(timeout)
	if err != nil {
		return err
	}
	if err := assertEqual(received.Header, message.Header, "headers"); err != nil {
		return err
	}
	return assertEqual(string(received.Data), "body", "body")
}

func unsubscribe(connection *nats.Conn) error {
	subscription, err := connection.SubscribeSync(prefix + ".max")
	if err != nil {
		return err
	}
	defer subscription.Unsubscribe()
	if err := subscription.AutoUnsubscribe(5); err != nil {
		return err
	}
	for range 10 {
		if err := connection.Publish(prefix+".max", nil); err != nil {
			return err
		}
	}
	if err := connection.Flush(); err != nil {
		return err
	}
	pending, _, err := subscription.Pending()
	if err != nil {
		return err
	}
	return assertEqual(pending, 5, "messages before the subscription ended")
}

func reconnect(connection *nats.Conn) error {
	subscription, err := connection.SubscribeSync(prefix + ".again")
	if err != nil {
		return err
	}
	defer subscription.Unsubscribe()
	reconnected := make(chan struct{}, 1)
	connection.SetReconnectHandler(func(*nats.Conn) { reconnected <- struct{}{} })
	if err := connection.Flush(); err != nil {
		return err
	}
	fmt.Println("restart the server")
	<-reconnected
	if err := connection.Publish(prefix+".again", []byte("back")); err != nil {
		return err
	}
	message, err := subscription.NextMsg(timeout)
	if err != nil {
		return err
	}
	return assertEqual(string(message.Data), "back", "after the reconnect")
}

func drain(connection *nats.Conn) error {
	var receivedCount atomic.Int32
	_, err := connection.Subscribe(prefix+".drain", func(*nats.Msg) { receivedCount.Add(1) })
	if err != nil {
		return err
	}
	for range messageCount {
		if err := connection.Publish(prefix+".drain", nil); err != nil {
			return err
		}
	}
	closed := make(chan struct{})
	connection.SetClosedHandler(func(*nats.Conn) { close(closed) })
	if err := connection.Drain(); err != nil {
		return err
	}
	<-closed
	return assertEqual(receivedCount.Load(), int32(messageCount), "messages before the connection closed")
}

func report(name string, err error) {
	if err != nil {
		fmt.Printf("failed %s: %v\n", name, err)
		os.Exit(1)
	}
	fmt.Printf("ok %s\n", name)
}

func main() {
	connection, err := nats.Connect(os.Args[1], nats.Name(prefix), nats.ReconnectWait(50*time.Millisecond),
		nats.MaxReconnects(-1))
	if err == nil {
		err = connection.Flush()
	}
	report("connect", err)
	report("publish", publish(connection))
	report("request", request(connection))
	report("queue", queue(connection))
	report("headers", headers(connection))
	report("unsubscribe", unsubscribe(connection))
	report("reconnect", reconnect(connection))
	report("drain", drain(connection))
}
