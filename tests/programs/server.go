// A server on a port of its own choice that takes one connection and closes it, and its client: server fin|rst
package main

import (
	"io"
	"log"
	"net"
	"os"
)

func main() {
	listener, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		log.Fatal(err)
	}
	connected, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		conn, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			log.Fatal(err)
		}
		defer conn.Close()
		close(connected) // an RST before this would make Dial fail
		io.ReadAll(conn) // ends with EOF or ECONNRESET
	}()
	conn, err := listener.Accept()
	if err != nil {
		log.Fatal(err)
	}
	<-connected
	if os.Args[1] == "rst" {
		conn.(*net.TCPConn).SetLinger(0)
	}
	conn.Close()
	<-done
}
