import com.sun.management.OperatingSystemMXBean;
import java.io.*;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.security.*;
import java.security.cert.*;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.*;
import javax.mail.Session;
import javax.mail.internet.*;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cert.jcajce.JcaCertStore;
import org.bouncycastle.cert.jcajce.JcaX509CertificateConverter;
import org.bouncycastle.cms.*;
import org.bouncycastle.cms.jcajce.*;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.mail.smime.*;
import org.bouncycastle.operator.OutputEncryptor;

/**
 * What a program does with BouncyCastle: S/MIME out and in, whole messages in
 * memory. Reads keys and certificates in the working directory and obeys lines
 * on its standard input, each answered by one line of JSON:
 *
 *   work OP FILE RECIPIENTS MILLISECONDS
 *   make OP FILE RECIPIENTS RESULT
 */
public class Cms {
    static final Session SESSION = Session.getInstance(new Properties());
    static X509Certificate root, issuer, sender;
    static List<X509Certificate> to;
    static PrivateKey senderKey, toKey;

    public static void main(String[] args) throws Exception {
        Security.addProvider(new BouncyCastleProvider());
        root = certificates("root.pem").get(0);
        issuer = certificates("issuer.pem").get(0);
        sender = certificates("sender.pem").get(0);
        to = certificates("to.pem");
        senderKey = key("sender.der");
        toKey = key("to.der");
        var lines = new BufferedReader(new InputStreamReader(System.in));
        for (String line; (line = lines.readLine()) != null; ) {
            System.out.println(answer(line.split(" ")));
        }
    }

    static List<X509Certificate> certificates(String file) throws Exception {
        var found = new ArrayList<X509Certificate>();
        try (InputStream in = Files.newInputStream(Path.of(file))) {
            for (var c : CertificateFactory.getInstance("X.509", "BC").generateCertificates(in)) {
                found.add((X509Certificate) c);
            }
        }
        return found;
    }

    static PrivateKey key(String file) throws Exception {
        return KeyFactory.getInstance("RSA", "BC").generatePrivate(new PKCS8EncodedKeySpec(Files.readAllBytes(Path.of(file))));
    }

    static String answer(String[] words) throws Exception {
        byte[] input = Files.readAllBytes(Path.of(words[2]));
        int recipients = Integer.parseInt(words[3]);
        if (words[0].equals("make")) {
            try (OutputStream result = Files.newOutputStream(Path.of(words[4]))) {
                operate(words[1], input, recipients, result);
            }
            return "{\"n\":1}";
        }
        var system = (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
        long cpu = system.getProcessCpuTime(), wall = System.nanoTime();
        long until = wall + Long.parseLong(words[4]) * 1_000_000;
        int n = 0;
        do {
            operate(words[1], input, recipients, OutputStream.nullOutputStream());
            n++;
        } while (System.nanoTime() < until);
        wall = System.nanoTime() - wall;
        cpu = system.getProcessCpuTime() - cpu;
        return "{\"n\":" + n + ",\"cpu\":" + cpu + ",\"wall\":" + wall + "}";
    }

    static void operate(String op, byte[] input, int recipients, OutputStream result) throws Exception {
        switch (op) {
            case "out": out(input, recipients, result); break;
            case "in": in(input, result); break;
            default: throw new IllegalArgumentException(op);
        }
    }

    static void out(byte[] message, int recipients, OutputStream result) throws Exception {
        var head = "Content-Type: message/rfc822\r\n\r\n".getBytes(StandardCharsets.US_ASCII);
        var wrapped = new ByteArrayOutputStream(head.length + message.length);
        wrapped.write(head);
        wrapped.write(message);
        var signing = new SMIMESignedGenerator();
        signing.addSignerInfoGenerator(
            new JcaSimpleSignerInfoGeneratorBuilder().setProvider("BC").build("SHA256withRSA", senderKey, sender));
        signing.addCertificates(new JcaCertStore(List.of(sender, issuer)));
        MimeMultipart signed = signing.generate(new MimeBodyPart(new ByteArrayInputStream(wrapped.toByteArray())));
        var entity = new MimeBodyPart();
        entity.setContent(signed);

        var enveloping = new SMIMEEnvelopedGenerator();
        for (var c : to.subList(0, recipients)) {
            enveloping.addRecipientInfoGenerator(new JceKeyTransRecipientInfoGenerator(c).setProvider("BC"));
        }
        OutputEncryptor aes = new JceCMSContentEncryptorBuilder(CMSAlgorithm.AES256_CBC).setProvider("BC").build();
        MimeBodyPart enveloped = enveloping.generate(entity, aes);
        var sealed = new MimeMessage(SESSION);
        sealed.setContent(enveloped.getContent(), enveloped.getContentType());
        sealed.saveChanges();
        sealed.writeTo(result);
    }

    static void in(byte[] sealed, OutputStream result) throws Exception {
        var enveloped = new SMIMEEnveloped(new MimeMessage(SESSION, new ByteArrayInputStream(sealed)));
        RecipientInformation mine = enveloped.getRecipientInfos().get(new JceKeyTransRecipientId(to.get(0)));
        MimeBodyPart entity = SMIMEUtil.toMimeBodyPart(
            mine.getContent(new JceKeyTransEnvelopedRecipient(toKey).setProvider("BC")));
        var signed = new SMIMESigned((MimeMultipart) entity.getContent());
        for (SignerInformation info : signed.getSignerInfos().getSigners()) {
            var found = (X509CertificateHolder) signed.getCertificates().getMatches(info.getSID()).iterator().next();
            X509Certificate c = new JcaX509CertificateConverter().setProvider("BC").getCertificate(found);
            if (!info.verify(new JcaSimpleSignerInfoVerifierBuilder().setProvider("BC").build(c))) {
                throw new SignatureException("the signature is bad");
            }
            path(c, signed);
        }
        signed.getContent().writeTo(result);
    }

    /** Builds the path from the signer to the root, by the PKIX rules. */
    static void path(X509Certificate c, SMIMESigned signed) throws Exception {
        var target = new X509CertSelector();
        target.setCertificate(c);
        var params = new PKIXBuilderParameters(Set.of(new TrustAnchor(root, null)), target);
        var converter = new JcaX509CertificateConverter().setProvider("BC");
        var certs = new ArrayList<X509Certificate>();
        for (Object holder : signed.getCertificates().getMatches(null)) {
            certs.add(converter.getCertificate((X509CertificateHolder) holder));
        }
        params.addCertStore(CertStore.getInstance("Collection", new CollectionCertStoreParameters(certs), "BC"));
        params.setRevocationEnabled(false);
        CertPathBuilder.getInstance("PKIX", "BC").build(params);
    }
}
