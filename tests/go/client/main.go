// Sends one message, reads the answer, and then reads on until the connection ends: the client's half of the exchange
// in fixtures/article-linger-0.txt.
//
//	client ADDRESS
//
// It prints `answered` once it has the whole answer, and what ended the connection: `end of file`, or `reset`.
package main

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"syscall"
	"time"
)

const (
	message      = "hello there"
	answerLength = 100
	patience     = time.Minute
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("client: ")
	time.AfterFunc(patience, func() { log.Fatal("no end after ", patience) })
	if len(os.Args) != 2 {
		log.Fatal("usage: client ADDRESS")
	}
	if err := call(os.Args[1]); err != nil {
		log.Fatal(err)
	}
}

func call(address string) error {
	connection, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	if _, err := connection.Write([]byte(message)); err != nil {
		return err
	}
	answer := make([]byte, answerLength)
	if _, err := io.ReadFull(connection, answer); err != nil {
		return err
	}
	fmt.Println("answered")

	switch _, err := connection.Read(answer); {
	case err == io.EOF:
		fmt.Println("end of file")
	case errors.Is(err, syscall.ECONNRESET):
		fmt.Println("reset")
	default:
		return fmt.Errorf("neither an end of file nor a reset: %v", err)
	}
	return connection.Close()
}
