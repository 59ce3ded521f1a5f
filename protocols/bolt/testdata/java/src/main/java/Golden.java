import com.alipay.remoting.BizContext;
import com.alipay.remoting.CustomSerializerManager;
import com.alipay.remoting.DefaultCustomSerializer;
import com.alipay.remoting.InvokeContext;
import com.alipay.remoting.exception.SerializationException;
import com.alipay.remoting.rpc.RequestCommand;
import com.alipay.remoting.rpc.RpcClient;
import com.alipay.remoting.rpc.RpcServer;
import com.alipay.remoting.rpc.protocol.RpcRequestCommand;
import com.alipay.remoting.rpc.protocol.SyncUserProcessor;
import java.io.ByteArrayOutputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.HexFormat;

/**
 * Prints what SOFABolt's client and server say to each other, as lines `NAME request|response HEX`. Each call has a
 * connection of its own, through a tap that keeps the bytes of both directions.
 */
public class Golden {
    static final int SERVER = 21199;

    /** Answers a string, and throws when it is told to. */
    public static class Echo extends SyncUserProcessor<String> {
        @Override
        public Object handleRequest(BizContext ctx, String request) {
            if (request.startsWith("throw")) {
                throw new IllegalStateException(request);
            }
            return "re: " + request;
        }

        @Override
        public String interest() {
            return String.class.getName();
        }
    }

    /** Writes a header map as SOFARPC does: length (32 bits) and bytes of each key and value. */
    public static class Headers extends DefaultCustomSerializer {
        @Override
        public <T extends RequestCommand> boolean serializeHeader(T request, InvokeContext ctx) throws SerializationException {
            ByteArrayOutputStream bytes = new ByteArrayOutputStream();
            try (DataOutputStream out = new DataOutputStream(bytes)) {
                for (String s : new String[] {"service", "com.example.Echo:1.0", "sofa_head_method_name", "echo", "empty", ""}) {
                    out.writeInt(s.length());
                    out.write(s.getBytes("UTF-8"));
                }
            } catch (IOException e) {
                throw new SerializationException("header", e);
            }
            ((RpcRequestCommand) request).setHeader(bytes.toByteArray());
            return true;
        }
    }

    /** A connection to the server whose bytes are kept. */
    static class Tap {
        final ServerSocket listener = new ServerSocket(0, 1, InetAddress.getByName("127.0.0.1"));
        final ByteArrayOutputStream up = new ByteArrayOutputStream();
        final ByteArrayOutputStream down = new ByteArrayOutputStream();

        Tap() throws IOException {
            start(() -> {
                Socket client = listener.accept();
                Socket server = new Socket("127.0.0.1", SERVER);
                start(() -> copy(client.getInputStream(), server.getOutputStream(), up));
                copy(server.getInputStream(), client.getOutputStream(), down);
            });
        }

        interface Work {
            void run() throws IOException;
        }

        static void start(Work work) {
            Thread t = new Thread(() -> {
                try {
                    work.run();
                } catch (IOException e) {
                    // the connection is over
                }
            });
            t.setDaemon(true);
            t.start();
        }

        static void copy(InputStream in, OutputStream out, ByteArrayOutputStream kept) throws IOException {
            byte[] buf = new byte[65536];
            for (int n; (n = in.read(buf)) > 0;) {
                synchronized (kept) {
                    kept.write(buf, 0, n);
                }
                out.write(buf, 0, n);
            }
        }

        String address(String args) {
            return "127.0.0.1:" + listener.getLocalPort() + args;
        }
    }

    interface Call {
        void run(RpcClient client, String address) throws Exception;
    }

    /** Makes a call over a fresh tap and prints what it took. */
    static void record(RpcClient client, String name, String args, boolean answered, Call call) throws Exception {
        Tap tap = new Tap();
        try {
            call.run(client, tap.address(args));
        } catch (Exception e) {
            System.err.println(name + ": " + e);
        }
        for (int i = 0; i < 2000 && (tap.up.size() == 0 || answered && tap.down.size() == 0); i++) {
            Thread.sleep(10);
        }
        print(name, "request", tap.up);
        print(name, "response", tap.down);
    }

    static void print(String name, String what, ByteArrayOutputStream kept) {
        synchronized (kept) {
            if (kept.size() > 0) {
                System.out.println(name + " " + what + " " + HexFormat.of().formatHex(kept.toByteArray()));
            }
        }
    }

    public static void main(String[] none) throws Exception {
        System.setProperty("bolt.tcp.heartbeat.interval", "1000");
        RpcServer server = new RpcServer("127.0.0.1", SERVER);
        server.registerUserProcessor(new Echo());
        server.startup();
        RpcClient client = new RpcClient();
        client.startup();

        String v1 = "?_PROTOCOL=1", v2 = "?_PROTOCOL=2&_VERSION=2";
        for (String[] v : new String[][] {{"v1", v1}, {"v2", v2}}) {
            String name = v[0], args = v[1];
            record(client, name + "-sync", args, true, (c, a) -> c.invokeSync(a, "hello", 3000));
            record(client, name + "-oneway", args, false, (c, a) -> c.oneway(a, "hello"));
            record(client, name + "-future", args, true, (c, a) -> c.invokeWithFuture(a, "hello", 3000).get());
            record(client, name + "-exception", args, true, (c, a) -> c.invokeSync(a, "throw this", 3000));
            record(client, name + "-no-processor", args, true, (c, a) -> c.invokeSync(a, 42, 3000));
            record(client, name + "-heartbeat", args, true, (c, a) -> c.createStandaloneConnection(a, 1000));
        }
        InvokeContext unsummed = new InvokeContext();
        unsummed.put(InvokeContext.BOLT_CRC_SWITCH, false);
        record(client, "v2-no-crc", v2, true, (c, a) -> c.invokeSync(a, "hello", unsummed, 3000));
        record(client, "v2-ver1-1", "?_PROTOCOL=2&_VERSION=1", true, (c, a) -> c.invokeSync(a, "hello", 3000));

        CustomSerializerManager.registerCustomSerializer(String.class.getName(), new Headers());
        record(client, "v1-headers", v1, true, (c, a) -> c.invokeSync(a, "hello", 3000));
        record(client, "v2-headers", v2, true, (c, a) -> c.invokeSync(a, "hello", 3000));
        System.exit(0);
    }
}
