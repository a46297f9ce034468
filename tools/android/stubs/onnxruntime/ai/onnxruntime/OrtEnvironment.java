package ai.onnxruntime;

import java.io.File;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

public final class OrtEnvironment {
    private static final OrtEnvironment INSTANCE = new OrtEnvironment();

    private final Set<String> libraries = new LinkedHashSet<>();

    private OrtEnvironment() {}

    public static OrtEnvironment getEnvironment() {
        return INSTANCE;
    }

    /** A provider that is not there cannot be registered, and none twice; the device that it brings is played. */
    public void registerExecutionProviderLibrary(String name, String path) throws OrtException {
        if (!new File(path).isFile()) throw new OrtException("cannot open " + path);
        if (!libraries.add(name)) throw new OrtException(name + " has already been registered");
    }

    public void unregisterExecutionProviderLibrary(String name) {
        libraries.remove(name);
    }

    public List<OrtEpDevice> getEpDevices() {
        List<OrtEpDevice> devices = new ArrayList<>();
        devices.add(new OrtEpDevice("CPUExecutionProvider"));
        for (String name : libraries) devices.add(new OrtEpDevice(name));
        return devices;
    }

    public String getVersion() {
        return Shim.version();
    }

    public OrtSession createSession(String path, OrtSession.SessionOptions options) throws OrtException {
        OrtSession.SessionOptions.last = options;
        return new OrtSession(Shim.open(path, options.intraOpThreads, options.interOpThreads));
    }
}
