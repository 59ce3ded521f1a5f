import com.alipay.remoting.BizContext;
import com.alipay.remoting.Connection;
import com.alipay.remoting.InvokeCallback;
import com.alipay.remoting.exception.RemotingException;
import com.alipay.remoting.rpc.RpcClient;
import com.alipay.remoting.rpc.RpcResponseFuture;
import com.alipay.remoting.rpc.RpcServer;
import com.alipay.remoting.rpc.exception.InvokeServerException;
import com.alipay.remoting.rpc.exception.InvokeTimeoutException;
import com.alipay.remoting.rpc.protocol.SyncUserProcessor;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executor;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * SOFABolt's own client and server. `server PORT` serves until its input ends; `client ADDRESS CALLS` makes that many calls in
 * all the ways that there are, in both versions, and prints what came of them.
 */
public class Peer {
    /** Answers a string with itself. */
    public static class Echo extends SyncUserProcessor<String> {
        final AtomicInteger oneWays = new AtomicInteger();

        @Override
        public Object handleRequest(BizContext ctx, String request) throws Exception {
            if (request.startsWith("throw")) {
                throw new IllegalStateException(request);
            }
            if (request.startsWith("sleep ")) {
                Thread.sleep(Long.parseLong(request.substring(6)));
            }
            if (request.startsWith("event ")) {
                oneWays.incrementAndGet();
                return null;
            }
            if (request.equals("events?")) {
                return Integer.toString(oneWays.get());
            }
            return "re: " + request;
        }

        @Override
        public String interest() {
            return String.class.getName();
        }
    }

    public static void main(String[] args) throws Exception {
        System.setProperty("bolt.tcp.heartbeat.interval", "300");
        if (args[0].equals("server")) {
            RpcServer server = new RpcServer("127.0.0.1", Integer.parseInt(args[1]));
            server.registerUserProcessor(new Echo());
            server.startup();
            System.out.println("serving");
            while (System.in.read() >= 0) {
                // until the end of the input
            }
        } else {
            new Peer(args[1]).run(Integer.parseInt(args[2]));
        }
        System.exit(0);
    }

    static final int PATIENCE = 60_000; // ms: nothing that works takes so long
    static final int THREADS = 8;

    final String address;
    final RpcClient client = new RpcClient();
    final AtomicInteger serial = new AtomicInteger(), right = new AtomicInteger(), wrong = new AtomicInteger(), sent = new AtomicInteger();

    Peer(String address) {
        this.address = address;
        client.startup();
    }

    void run(int calls) throws Exception {
        String[] versions = {"?_PROTOCOL=1&_CONNECTIONNUM=2", "?_PROTOCOL=2&_VERSION=2&_CONNECTIONNUM=2"};
        List<Thread> all = new ArrayList<>();
        for (int i = 0; i < THREADS; i++) {
            String to = address + versions[i % 2];
            int way = i / 2;
            Thread t = new Thread(() -> calls(to, way, calls / THREADS));
            t.start();
            all.add(t);
        }
        AtomicInteger timeouts = new AtomicInteger(), exceptions = new AtomicInteger(), beats = new AtomicInteger();
        for (String v : versions) {
            Thread t = new Thread(() -> {
                try {
                    timeouts.addAndGet(timesOut(address + v));
                    exceptions.addAndGet(fails(address + v));
                    beats.addAndGet(stays(address + v));
                } catch (Exception e) {
                    failed(e);
                }
            });
            t.start();
            all.add(t);
        }
        for (Thread t : all) {
            t.join();
        }
        String events = "";
        for (int i = 0; i < 600 && !events.equals(Integer.toString(sent.get())); i++) {
            Thread.sleep(100);
            events = (String) client.invokeSync(address + versions[0], "events?", PATIENCE);
        }
        System.out.println("right=" + right + " wrong=" + wrong + " sent=" + sent + " arrived=" + events + " timeouts=" + timeouts
            + " exceptions=" + exceptions + " idle=" + beats);
    }

    void check(String request, Object answer) {
        (("re: " + request).equals(answer) ? right : wrong).incrementAndGet();
    }

    void failed(Throwable e) {
        if (wrong.incrementAndGet() <= 10) {
            System.err.println(e);
        }
    }

    /** Makes n calls in one of the four ways. */
    void calls(String to, int way, int n) {
        Semaphore window = new Semaphore(64); // callbacks that are open
        for (int i = 0; i < n; i++) {
            String request = "call " + serial.incrementAndGet() + " ".repeat(i % 50 == 0 ? 50_000 : i % 100);
            try {
                switch (way) {
                    case 0 -> check(request, client.invokeSync(to, request, PATIENCE));
                    case 1 -> {
                        RpcResponseFuture f = client.invokeWithFuture(to, request, PATIENCE);
                        check(request, f.get(PATIENCE));
                    }
                    case 2 -> {
                        window.acquire();
                        client.invokeWithCallback(to, request, new Check(request, window), PATIENCE);
                    }
                    default -> {
                        client.oneway(to, "event " + request);
                        sent.incrementAndGet();
                        if (i % 64 == 0) {
                            check(request, client.invokeSync(to, request, PATIENCE)); // behind it, so that the queue of the server stays short
                        }
                    }
                }
            } catch (Throwable e) {
                failed(e);
            }
        }
        window.acquireUninterruptibly(64);
    }

    class Check implements InvokeCallback {
        final String request;
        final Semaphore window;

        Check(String request, Semaphore window) {
            this.request = request;
            this.window = window;
        }

        @Override
        public void onResponse(Object result) {
            check(request, result);
            window.release();
        }

        @Override
        public void onException(Throwable e) {
            failed(e);
            window.release();
        }

        @Override
        public Executor getExecutor() {
            return null;
        }
    }

    /** A call whose answer comes too late, and one behind it. */
    int timesOut(String to) throws Exception {
        try {
            client.invokeSync(to, "sleep 2000", 200);
            wrong.incrementAndGet();
            return 0;
        } catch (InvokeTimeoutException e) {
            check("after", client.invokeSync(to, "after", PATIENCE));
            return 1;
        }
    }

    /** A call that the server fails. */
    int fails(String to) throws Exception {
        try {
            client.invokeSync(to, "throw this", PATIENCE);
            wrong.incrementAndGet();
            return 0;
        } catch (InvokeServerException e) {
            return 1;
        }
    }

    /** A connection that only heartbeats keep, for longer than the client lets it be without. */
    int stays(String to) throws Exception {
        Connection c = client.createStandaloneConnection(to, PATIENCE);
        Thread.sleep(2500); // eight intervals: the client closes after three heartbeats without an answer
        if (!c.isFine()) {
            wrong.incrementAndGet();
            return 0;
        }
        check("idle", client.invokeSync(c, "idle", PATIENCE));
        client.closeStandaloneConnection(c);
        return 1;
    }
}
