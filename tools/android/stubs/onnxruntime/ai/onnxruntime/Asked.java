package ai.onnxruntime;

import java.util.Map;

/** What the last session was opened with, for tests. */
public final class Asked {
    private Asked() {}

    public static String entry(String name) {
        return OrtSession.SessionOptions.last.entries.get(name);
    }

    public static String device() {
        return OrtSession.SessionOptions.last.devices.get(0).getName();
    }

    public static Map<String, String> provider() {
        return OrtSession.SessionOptions.last.provider;
    }
}
