package org.pytorch.executorch;

import java.nio.ByteBuffer;
import java.nio.FloatBuffer;

public abstract class Tensor {
    public static Tensor fromBlob(FloatBuffer data, long[] shape) {
        throw new UnsupportedOperationException("a stub to compile against");
    }

    public static Tensor fromBlobUnsigned(ByteBuffer data, long[] shape) {
        throw new UnsupportedOperationException("a stub to compile against");
    }

    public abstract float[] getDataAsFloatArray();
}
