package ai.onnxruntime;

public final class OrtEnvironment {
    private static final OrtEnvironment INSTANCE = new OrtEnvironment();

    private OrtEnvironment() {}

    public static OrtEnvironment getEnvironment() {
        return INSTANCE;
    }

    public String getVersion() {
        return Shim.version();
    }

    public OrtSession createSession(String path, OrtSession.SessionOptions options) throws OrtException {
        return new OrtSession(Shim.open(path, options.intraOpThreads, options.interOpThreads));
    }
}
