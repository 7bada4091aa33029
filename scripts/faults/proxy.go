package main

import (
	"net"
	"sync"
)

// proxy is a link that can be cut, silenced and mended.
type proxy struct {
	listener net.Listener
	to       string
	accepted chan struct{} // one signal for each connection; extra ones are dropped
	done     sync.WaitGroup

	mu     sync.Mutex // guards what follows
	down   bool       // refuses
	silent chan struct{}
	conns  map[net.Conn]bool
}

func newProxy(to string) (*proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &proxy{listener: l, to: to, accepted: make(chan struct{}, 1), silent: make(chan struct{}),
		conns: map[net.Conn]bool{}}
	p.done.Go(p.serve)
	return p, nil
}

func (p *proxy) addr() string { return p.listener.Addr().String() }

func (p *proxy) serve() {
	for {
		near, err := p.listener.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", p.to)
		if err != nil || !p.hold(near, far) {
			_ = near.Close()
			if err == nil {
				_ = far.Close()
			}
			continue
		}
		select {
		case p.accepted <- struct{}{}:
		default:
		}
		quiet := p.quiet()
		p.done.Go(func() { p.carry(near, far, quiet) })
		p.done.Go(func() { p.carry(far, near, quiet) })
	}
}

func (p *proxy) hold(near, far net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.down {
		return false
	}
	p.conns[near], p.conns[far] = true, true
	return true
}

func (p *proxy) quiet() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.silent
}

// carry copies until the link is cut; once silenced it stops reading and closes nothing, as a
// firewall does that forgot the connection.
func (p *proxy) carry(from, to net.Conn, quiet <-chan struct{}) {
	buf := make([]byte, 16<<10)
	for {
		n, err := from.Read(buf)
		select {
		case <-quiet:
			return
		default:
		}
		if err == nil {
			_, err = to.Write(buf[:n])
		}
		if err != nil { // the other end must see the end too
			_ = to.Close()
			_ = from.Close()
			return
		}
	}
}

// cut closes every connection and refuses new ones.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = true
	p.closeAll()
}

func (p *proxy) mend() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = false
}

// silence leaves today's connections open and carries nothing on them any more. New ones work.
func (p *proxy) silence() {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.silent)
	p.silent = make(chan struct{})
}

func (p *proxy) closeAll() {
	for c := range p.conns {
		_ = c.Close()
	}
	p.conns = map[net.Conn]bool{}
}

func (p *proxy) close() {
	_ = p.listener.Close()
	p.cut()
	p.done.Wait()
}
