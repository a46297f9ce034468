package org.pytorch.executorch;

public class EValue {
    private EValue() {}

    public static EValue from(Tensor tensor) {
        throw new UnsupportedOperationException("a stub to compile against");
    }

    public Tensor toTensor() {
        throw new UnsupportedOperationException("a stub to compile against");
    }
}
