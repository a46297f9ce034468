package ai.onnxruntime;

import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.nio.IntBuffer;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

public class OrtSession implements AutoCloseable {
    private final long handle;
    private boolean isClosed;

    OrtSession(long handle) {
        this.handle = handle;
    }

    /** One input and one output are what the adapter needs. */
    public Result run(Map<String, ? extends OnnxTensorLike> inputs, Set<String> outputs) throws OrtException {
        if (isClosed) throw new IllegalStateException("Asking for an inference from a closed OrtSession.");
        Map.Entry<String, ? extends OnnxTensorLike> input = inputs.entrySet().iterator().next();
        OnnxTensor tensor = (OnnxTensor) input.getValue();
        Object answer = Shim.run(
                handle, input.getKey(), tensor.data, tensor.data.remaining(), tensor.shape, tensor.bytes,
                outputs.iterator().next());
        return new Result(Collections.singletonList(value(answer)));
    }

    private static OnnxValue value(Object answer) {
        if (answer == null) return new OnnxSequence();
        if (answer instanceof float[]) return new OnnxTensor(FloatBuffer.wrap((float[]) answer), null, false);
        if (answer instanceof int[]) return new OnnxTensor(IntBuffer.wrap((int[]) answer), null, false);
        return new OnnxTensor(ByteBuffer.wrap((byte[]) answer), null, true);
    }

    /** Twice is an error, as in the real one. */
    @Override
    public void close() throws OrtException {
        if (isClosed) throw new IllegalStateException("Trying to close an already closed OrtSession.");
        isClosed = true;
        Shim.close(handle);
    }

    public static class SessionOptions implements AutoCloseable {
        int intraOpThreads;
        int interOpThreads;

        /** What sessions were opened with; the processor runs them all the same. */
        static SessionOptions last;

        final Map<String, String> entries = new HashMap<>();
        List<OrtEpDevice> devices = Collections.emptyList();
        Map<String, String> provider = Collections.emptyMap();

        public void addConfigEntry(String name, String value) throws OrtException {
            entries.put(name, value);
        }

        public void addExecutionProvider(List<OrtEpDevice> devices, Map<String, String> options) throws OrtException {
            if (devices.isEmpty()) throw new IllegalArgumentException("Must supply at least one OrtEpDevice");
            this.devices = devices;
            provider = options;
        }

        public void setIntraOpNumThreads(int threads) throws OrtException {
            intraOpThreads = threads;
        }

        public void setInterOpNumThreads(int threads) throws OrtException {
            interOpThreads = threads;
        }

        @Override
        public void close() {}
    }

    public static class Result implements AutoCloseable {
        private final List<OnnxValue> values;

        Result(List<OnnxValue> values) {
            this.values = values;
        }

        public OnnxValue get(int index) {
            return values.get(index);
        }

        @Override
        public void close() {}
    }
}
