package ai.onnxruntime;

/** What some classifiers of other frameworks answer with. */
public class OnnxSequence implements OnnxValue {
    @Override
    public void close() {}
}
