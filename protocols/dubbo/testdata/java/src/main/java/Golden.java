import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import org.apache.dubbo.common.utils.NetUtils;
import org.apache.dubbo.config.ApplicationConfig;
import org.apache.dubbo.config.MethodConfig;
import org.apache.dubbo.config.ProtocolConfig;
import org.apache.dubbo.config.ReferenceConfig;
import org.apache.dubbo.config.RegistryConfig;
import org.apache.dubbo.config.ServiceConfig;
import org.apache.dubbo.config.bootstrap.DubboBootstrap;

/**
 * Prints what Dubbo's client and server say to each other, as lines `NAME request|response HEX`. Each call has a
 * connection of its own, through a tap that keeps the bytes of both directions.
 */
public class Golden {
    static final int SERVER = 21299;

    /** What is called. */
    public interface Echo {
        String echo(String s);

        void tell(String s);
    }

    /** Answers a string, and throws when it is told to. */
    public static class Impl implements Echo {
        @Override
        public String echo(String s) {
            if (s.startsWith("throw")) {
                throw new IllegalStateException(s);
            }
            return "re: " + s;
        }

        @Override
        public void tell(String s) {}
    }

    /** A connection to the server whose bytes are kept. Dubbo's client replaces 127.0.0.1 by an address of an interface. */
    static class Tap {
        final ServerSocket listener = new ServerSocket(0, 1, InetAddress.getByName(NetUtils.getLocalHost()));
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
    }

    interface Call {
        void run(Echo e) throws Exception;
    }

    /** Makes a call over a fresh tap and prints what it took. */
    static void record(String name, String path, String version, Map<String, String> parameters, boolean answered, Call call) throws Exception {
        Tap tap = new Tap();
        ReferenceConfig<Echo> ref = new ReferenceConfig<>();
        ref.setInterface(Echo.class);
        ref.setUrl("dubbo://127.0.0.1:" + tap.listener.getLocalPort() + "/" + path);
        ref.setVersion(version);
        ref.setParameters(parameters);
        ref.setRetries(0);
        ref.setTimeout(3000);
        ref.setCheck(false);
        MethodConfig tell = new MethodConfig();
        tell.setName("tell");
        tell.setReturn(false);
        ref.setMethods(List.of(tell));
        try {
            call.run(ref.get());
        } catch (Exception e) {
            System.err.println(name + ": " + e);
        }
        for (int i = 0; i < 500 && (tap.up.size() == 0 || answered && tap.down.size() == 0); i++) {
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
        System.setProperty("dubbo.application.qos.enable", "false");
        System.setProperty("java.net.preferIPv4Stack", "true");
        ServiceConfig<Echo> service = new ServiceConfig<>();
        service.setInterface(Echo.class);
        service.setRef(new Impl());
        service.setVersion("1.2.3");
        ServiceConfig<Echo> plain = new ServiceConfig<>();
        plain.setInterface(Echo.class);
        plain.setRef(new Impl());
        ProtocolConfig protocol = new ProtocolConfig("dubbo", SERVER);
        protocol.setHost("127.0.0.1");
        DubboBootstrap.getInstance().application(new ApplicationConfig("golden")).registry(new RegistryConfig("N/A"))
            .protocol(protocol).service(service).service(plain).start();

        String path = Echo.class.getName();
        Map<String, String> no = Map.of();
        record("call", path, "1.2.3", no, true, e -> e.echo("hello"));
        record("no-version", path, null, no, true, e -> e.echo("hello"));
        record("oneway", path, "1.2.3", no, false, e -> e.tell("hello"));
        record("exception", path, "1.2.3", no, true, e -> e.echo("throw this"));
        record("no-service", path, "9", no, true, e -> e.echo("hello"));
        record("long", path, "1.2.3", no, true, e -> e.echo("ä€".repeat(700)));
        record("heartbeat", path, "1.2.3", Map.of("heartbeat", "1000"), true, e -> {});
        Tap tap = new Tap();
        ReferenceConfig<Echo> ref = new ReferenceConfig<>();
        ref.setInterface(Echo.class);
        ref.setUrl("dubbo://127.0.0.1:" + tap.listener.getLocalPort() + "/" + path);
        ref.setVersion("1.2.3");
        ref.get().echo("hello");
        synchronized (tap.down) {
            tap.down.reset();
        }
        Thread stop = new Thread(() -> DubboBootstrap.getInstance().stop());
        stop.start();
        for (int i = 0; i < 500 && tap.down.size() == 0; i++) {
            Thread.sleep(10);
        }
        print("read-only", "response", tap.down);
        Runtime.getRuntime().halt(0);
    }
}
