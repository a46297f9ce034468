package org.mobilevitedge.executorch

import java.nio.ByteBuffer
import java.nio.ByteOrder
import org.mobilevitedge.core.Bundle
import org.mobilevitedge.core.BundleException
import org.mobilevitedge.core.Classifier
import org.mobilevitedge.core.CpuFeatures
import org.pytorch.executorch.EValue
import org.pytorch.executorch.Module
import org.pytorch.executorch.Tensor

/**
 * A bundle of the target `executorch` in ExecuTorch with XNNPACK.
 *
 * [threads] holds for the whole process, and for models that are loaded already: one model at a time.
 * [cpu]: of the processor; null where it is no 64-bit ARM.
 */
class ExecuTorchClassifier(bundle: Bundle, threads: Int, cpu: CpuFeatures?) : Classifier {
    private val manifest = bundle.manifest
    private val shape = manifest.input.shape(manifest.model)
    private val module: Module

    override val runtime = "ExecuTorch"

    /** The Java API does not tell. */
    override val version: String? = null

    init {
        // Its library is built for ARMv8.2 with dot products: on older processors it ends the app.
        if (cpu?.has(NEEDED) == false) {
            throw BundleException("this phone's processor is too old for ExecuTorch (it lacks ${NEEDED.joinToString(" or ")}): export the model for onnx")
        }
        try {
            module = Module.load(bundle.model.path, Module.LOAD_MODE_MMAP, threads)
            // Here, not in the first inference: loading prepares the delegate.
            module.loadMethod(FORWARD)
        } catch (error: RuntimeException) {
            throw BundleException("ExecuTorch cannot load the model: ${error.message}", error)
        }
    }

    override fun run(input: ByteBuffer): FloatArray {
        input.order(ByteOrder.nativeOrder())
        val tensor =
            if (manifest.input.bytes) Tensor.fromBlobUnsigned(input, shape)
            else Tensor.fromBlob(input.asFloatBuffer(), shape)
        try {
            val answer = module.execute(FORWARD, EValue.from(tensor)).first().toTensor()
            if (!manifest.output.isWhole) return answer.dataAsFloatArray
            val classes = answer.dataAsIntArray
            return FloatArray(classes.size) { classes[it].toFloat() }
        } catch (error: RuntimeException) {
            // Of a stranger's model too: no output, one that is no tensor, or no floats.
            throw BundleException("ExecuTorch cannot run the model: ${error.message}", error)
        }
    }

    override fun close() {
        try {
            module.destroy()
        } catch (error: IllegalStateException) {
            // It is running on another thread: the garbage collector frees it afterwards.
        }
    }

    private companion object {
        /** As Linux calls them. */
        val NEEDED = listOf("atomics", "asimddp")
        const val FORWARD = "forward"
    }
}
