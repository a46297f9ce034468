package ai.onnxruntime;

import java.nio.Buffer;
import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.nio.IntBuffer;

public class OnnxTensor extends OnnxTensorLike {
    final Buffer data;
    final long[] shape;
    final boolean bytes;

    OnnxTensor(Buffer data, long[] shape, boolean bytes) {
        this.data = data;
        this.shape = shape;
        this.bytes = bytes;
    }

    public static OnnxTensor createTensor(OrtEnvironment environment, FloatBuffer data, long[] shape)
            throws OrtException {
        return new OnnxTensor(data, shape, false);
    }

    public static OnnxTensor createTensor(
            OrtEnvironment environment, ByteBuffer data, long[] shape, OnnxJavaType type) throws OrtException {
        if (type != OnnxJavaType.UINT8) throw new OrtException("the stub takes bytes as UINT8 alone");
        return new OnnxTensor(data, shape, true);
    }

    /** A copy; null unless the tensor holds floats. */
    public FloatBuffer getFloatBuffer() {
        if (!(data instanceof FloatBuffer)) return null;
        FloatBuffer copy = FloatBuffer.allocate(data.remaining());
        copy.put(((FloatBuffer) data).duplicate()).rewind();
        return copy;
    }

    /** A copy; null unless the tensor holds 32-bit whole numbers. */
    public IntBuffer getIntBuffer() {
        if (!(data instanceof IntBuffer)) return null;
        IntBuffer copy = IntBuffer.allocate(data.remaining());
        copy.put(((IntBuffer) data).duplicate()).rewind();
        return copy;
    }

    @Override
    public void close() {}
}
