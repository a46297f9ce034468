package ai.onnxruntime;

import java.nio.Buffer;

/** The library of ONNX Runtime's Python wheel, through {@code tools/android/native/onnx_shim.c}. */
final class Shim {
    static {
        System.load(System.getProperty("onnx.shim"));
    }

    private Shim() {}

    static native String version();

    static native long open(String path, int intraOpThreads, int interOpThreads) throws OrtException;

    /** Floats and 32-bit whole numbers as an array of them, other tensors as bytes, and null for what is no tensor. */
    static native Object run(
            long session, String input, Buffer data, long elements, long[] shape, boolean bytes, String output)
            throws OrtException;

    static native void close(long session);
}
