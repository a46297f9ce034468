package org.mobilevitedge.onnx

import ai.onnxruntime.OnnxJavaType
import ai.onnxruntime.OnnxTensor
import ai.onnxruntime.OrtEnvironment
import ai.onnxruntime.OrtException
import ai.onnxruntime.OrtSession
import java.io.File
import java.nio.ByteBuffer
import java.nio.ByteOrder
import org.mobilevitedge.core.Bundle
import org.mobilevitedge.core.BundleException
import org.mobilevitedge.core.Classifier

/**
 * A bundle of the target `onnx` in ONNX Runtime: on the processor, unless [configure] gives the session a provider for
 * another [unit], or [model] is a file for one.
 */
class OnnxClassifier(
    bundle: Bundle,
    threads: Int,
    model: File = bundle.model,
    override val unit: String = Classifier.CPU,
    configure: (OrtSession.SessionOptions) -> Unit = {},
) : Classifier {
    private val manifest = bundle.manifest
    private val environment = OrtEnvironment.getEnvironment()
    private val shape = manifest.input.shape(manifest.model)
    private val session: OrtSession

    override val runtime = "ONNX Runtime"
    override val version: String = environment.version

    init {
        try {
            OrtSession.SessionOptions().use { options ->
                options.setIntraOpNumThreads(threads)
                options.setInterOpNumThreads(1)
                configure(options)
                session = environment.createSession(model.path, options)
            }
        } catch (error: OrtException) {
            throw cannotLoad(error)
        } catch (error: RuntimeException) {
            throw cannotLoad(error)
        }
    }

    private fun cannotLoad(error: Exception) = BundleException("ONNX Runtime cannot load the model: ${error.message}", error)

    override fun run(input: ByteBuffer): FloatArray {
        try {
            return tensor(input).use { tensor ->
                session.run(mapOf(manifest.input.name to tensor), setOf(manifest.output.name)).use { result ->
                    numbers(result.get(0) as? OnnxTensor)
                }
            }
        } catch (error: OrtException) {
            throw cannotRun(error)
        } catch (error: RuntimeException) {
            // What the API itself throws: of a closed session, of a name that the model lacks.
            throw cannotRun(error)
        }
    }

    /** A stranger's model may answer with a sequence, or with numbers of another kind: then there is no buffer. */
    private fun numbers(answer: OnnxTensor?): FloatArray =
        if (manifest.output.isWhole) {
            val classes = answer?.intBuffer ?: throw otherThan("whole numbers")
            FloatArray(classes.remaining()) { classes.get().toFloat() }
        } else {
            val floats = answer?.floatBuffer ?: throw otherThan("floats")
            FloatArray(floats.remaining()).also(floats::get)
        }

    private fun otherThan(kind: String) = BundleException("the model's output ${manifest.output.name} is no tensor of $kind: export the bundle again")

    private fun cannotRun(error: Exception) = BundleException("ONNX Runtime cannot run the model: ${error.message}", error)

    private fun tensor(input: ByteBuffer): OnnxTensor {
        input.order(ByteOrder.nativeOrder())
        return if (manifest.input.bytes) {
            OnnxTensor.createTensor(environment, input, shape, OnnxJavaType.UINT8)
        } else {
            OnnxTensor.createTensor(environment, input.asFloatBuffer(), shape)
        }
    }

    override fun close() = session.close()
}
