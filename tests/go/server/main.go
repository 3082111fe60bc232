// Accepts one connection, reads one message, answers with its whole read buffer, and closes under the linger value
// given: the server's half of the exchange in fixtures/article-linger-0.txt.
//
//	server LINGER    the argument of SetLinger: -1, 0, or seconds
//
// It prints the address that it listens on. Where the article's server sleeps for ten seconds before it closes, this
// one waits for a line on standard input.
package main

import (
	"bufio"
	"fmt"
	"log"
	"net"
	"os"
	"strconv"
	"time"
)

const (
	answerLength = 100
	patience     = time.Minute
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("server: ")
	time.AfterFunc(patience, func() { log.Fatal("no end after ", patience) })
	if len(os.Args) != 2 {
		log.Fatal("usage: server LINGER")
	}
	linger, err := strconv.Atoi(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	if err := serve(linger); err != nil {
		log.Fatal(err)
	}
}

func serve(linger int) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer listener.Close()
	fmt.Println(listener.Addr())

	connection, err := listener.Accept()
	if err != nil {
		return err
	}
	if err := connection.(*net.TCPConn).SetLinger(linger); err != nil {
		return err
	}
	answer := make([]byte, answerLength)
	if _, err := connection.Read(answer); err != nil {
		return err
	}
	if _, err := connection.Write(answer); err != nil {
		return err
	}
	if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
		return err
	}
	return connection.Close()
}
