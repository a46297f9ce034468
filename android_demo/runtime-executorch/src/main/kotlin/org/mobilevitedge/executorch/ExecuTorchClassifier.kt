package org.mobilevitedge.executorch

import java.nio.ByteBuffer
import java.nio.ByteOrder
import org.mobilevitedge.core.Bundle
import org.mobilevitedge.core.BundleException
import org.mobilevitedge.core.Classifier
import org.pytorch.executorch.EValue
import org.pytorch.executorch.Module
import org.pytorch.executorch.Tensor

/** A bundle of the target `executorch` in ExecuTorch with XNNPACK. */
class ExecuTorchClassifier(bundle: Bundle, threads: Int) : Classifier {
    private val manifest = bundle.manifest
    private val shape = manifest.input.shape(manifest.model)
    private val module: Module

    override val runtime = "ExecuTorch"

    /** The Java API does not tell. */
    override val version: String? = null

    init {
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
            return module.execute(FORWARD, EValue.from(tensor)).first().toTensor().dataAsFloatArray
        } catch (error: RuntimeException) {
            throw BundleException("ExecuTorch cannot run the model: ${error.message}", error)
        }
    }

    override fun close() = module.destroy()

    private companion object {
        const val FORWARD = "forward"
    }
}
