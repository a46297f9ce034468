package org.mobilevitedge.qnn

import ai.onnxruntime.OrtEnvironment
import ai.onnxruntime.OrtException
import ai.onnxruntime.OrtSession
import android.system.Os
import java.io.File
import org.mobilevitedge.core.Bundle
import org.mobilevitedge.core.BundleException
import org.mobilevitedge.core.Classifier
import org.mobilevitedge.onnx.OnnxClassifier

/**
 * Qualcomm's NPU through the QNN provider of ONNX Runtime, whose libraries lie in the folder [libraries]. [chip] is the
 * phone's, as Android names it, null where it does not tell. [setVariable] sets one of the process's environment.
 */
class Qnn(
    private val libraries: File,
    private val chip: String?,
    private val setVariable: (String, String) -> Unit = { name, value -> Os.setenv(name, value, true) },
) {
    /** Whether this build of the app has the provider. */
    val isPresent: Boolean
        get() = provider.isFile

    private val provider = File(libraries, PROVIDER)

    /**
     * The bundle on the NPU alone: as compiled for this chip, if it has that, or else compiled now, which takes seconds.
     *
     * @throws BundleException if the provider is missing, or does not take the whole model.
     */
    fun load(bundle: Bundle): Classifier {
        if (!isPresent) throw BundleException("this build of the app has no library for Qualcomm's NPU: build it with -Pqnn")
        val model = chip?.let(bundle::compiledFor) ?: bundle.model
        return OnnxClassifier(bundle, threads = 1, model = model, unit = Classifier.NPU, configure = ::configure)
    }

    private fun configure(options: OrtSession.SessionOptions) {
        register()
        val devices = OrtEnvironment.getEnvironment().epDevices.filter { it.name == NAME }
        if (devices.isEmpty()) throw BundleException("this phone has no NPU that ONNX Runtime's QNN provider knows")
        // Without it, nodes that the NPU does not take run on the processor, and nobody is told.
        options.addConfigEntry("session.disable_cpu_ep_fallback", "1")
        options.addExecutionProvider(devices.take(1), OPTIONS)
    }

    private fun register() = synchronized(registered) {
        if (!registered.add(provider.path)) return@synchronized
        try {
            // Where the NPU's own processor finds its half of the library.
            setVariable("ADSP_LIBRARY_PATH", libraries.path)
            OrtEnvironment.getEnvironment().registerExecutionProviderLibrary(NAME, provider.path)
        } catch (error: OrtException) {
            registered.remove(provider.path)
            throw error
        }
    }

    private companion object {
        const val NAME = "QNNExecutionProvider"
        const val PROVIDER = "libonnxruntime_providers_qnn.so"

        /** As the exporter compiles; the clock as makers publish latencies. */
        val OPTIONS = mapOf(
            "backend_type" to "htp",
            "offload_graph_io_quantization" to "0",
            "htp_graph_finalization_optimization_mode" to "3",
            "htp_performance_mode" to "burst",
        )

        /** Libraries that this process has registered: twice is an error. */
        val registered = mutableSetOf<String>()
    }
}
