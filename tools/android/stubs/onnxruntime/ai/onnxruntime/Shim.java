package ai.onnxruntime;

import java.nio.Buffer;

/** The library of ONNX Runtime's Python wheel, through {@code ci/native/onnx_shim.c}. */
final class Shim {
    static {
        System.load(System.getProperty("onnx.shim"));
    }

    private Shim() {}

    static native String version();

    static native long open(String path, int intraOpThreads, int interOpThreads) throws OrtException;

    static native float[] run(
            long session, String input, Buffer data, long elements, long[] shape, boolean bytes, String output)
            throws OrtException;

    static native void close(long session);
}
