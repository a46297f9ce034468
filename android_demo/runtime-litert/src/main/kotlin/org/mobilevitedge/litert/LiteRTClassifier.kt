package org.mobilevitedge.litert

import java.io.File
import java.nio.ByteBuffer
import java.nio.ByteOrder
import org.mobilevitedge.core.Bundle
import org.mobilevitedge.core.BundleException
import org.mobilevitedge.core.Classifier
import org.tensorflow.lite.DataType
import org.tensorflow.lite.Interpreter
import org.tensorflow.lite.TensorFlowLite

/**
 * A bundle of the target `litert` in LiteRT's interpreter with XNNPACK, on the processor.
 *
 * The interpreter, and not the newer CompiledModel: it is what the export has verified the file with, takes bytes
 * and floats from a buffer as it is, and says how many threads it uses.
 */
class LiteRTClassifier(bundle: Bundle, threads: Int) : Classifier {
    private val manifest = bundle.manifest
    private val interpreter: Interpreter
    private val output: ByteBuffer

    override val runtime = "LiteRT"
    override val version: String? = TensorFlowLite.runtimeVersion()

    init {
        try {
            interpreter = Interpreter(File(bundle.model.path), Interpreter.Options().setNumThreads(threads).setUseXNNPACK(true))
        } catch (error: RuntimeException) {
            throw BundleException("LiteRT cannot load the model: ${error.message}", error)
        }
        val answer = try {
            interpreter.getOutputTensor(0)
        } catch (error: RuntimeException) {
            interpreter.close()
            throw BundleException("LiteRT cannot load the model: ${error.message}", error)
        }
        // Of a stranger's model too: numbers of another kind, or others than its manifest says.
        val (type, numbers) = if (manifest.output.isWhole) DataType.INT32 to "whole numbers" else DataType.FLOAT32 to "floats"
        if (answer.dataType() != type || answer.numElements() != manifest.output.count) {
            interpreter.close()
            throw BundleException("the model's output is not ${manifest.output.count} $numbers: export the bundle again")
        }
        output = ByteBuffer.allocateDirect(answer.numBytes()).order(ByteOrder.nativeOrder())
    }

    override fun run(input: ByteBuffer): FloatArray {
        input.order(ByteOrder.nativeOrder())
        output.rewind()
        try {
            interpreter.run(input, output)
        } catch (error: RuntimeException) {
            throw BundleException("LiteRT cannot run the model: ${error.message}", error)
        }
        output.rewind()
        if (!manifest.output.isWhole) return FloatArray(manifest.output.count).also(output.asFloatBuffer()::get)
        val classes = IntArray(manifest.output.count).also(output.asIntBuffer()::get)
        return FloatArray(classes.size) { classes[it].toFloat() }
    }

    override fun close() = interpreter.close()
}
