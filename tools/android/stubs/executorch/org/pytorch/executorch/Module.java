package org.pytorch.executorch;

import java.io.Closeable;

public class Module implements Closeable {
    public static final int LOAD_MODE_MMAP = 1;

    private Module() {}

    public static Module load(String path, int loadMode, int threads) {
        throw new UnsupportedOperationException("a stub to compile against");
    }

    public void loadMethod(String name) {
        throw new UnsupportedOperationException("a stub to compile against");
    }

    public EValue[] execute(String name, EValue... inputs) {
        throw new UnsupportedOperationException("a stub to compile against");
    }

    public void destroy() {}

    @Override
    public void close() {}
}
